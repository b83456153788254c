set confirm off
set pagination off
set width 0
set debuginfod enabled off
break worker
run > /dev/null
info threads
backtrace 1
print n
next
print n
continue
next
print n
thread apply 1 print 5
continue
delete
continue
