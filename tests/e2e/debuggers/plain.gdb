set confirm off
set pagination off
set width 0
set debuginfod enabled off
set can-use-hw-watchpoints 0
handle SIGUSR1 stop print nopass
break main
run
next
next
print p
print &p == 0
break factorial if n == 2
continue
backtrace
info locals
up
print n
finish
print $
delete
print factorial(4)
break sum_up
continue
step
step
watch total
continue
continue
continue
info watchpoints
delete
continue
info registers rip
stepi
nexti
x/2i main
signal 0
