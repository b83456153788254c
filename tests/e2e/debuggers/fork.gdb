set confirm off
set pagination off
set width 0
set follow-fork-mode child
set detach-on-fork on
break sum_up
run
backtrace
print n
continue
