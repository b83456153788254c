set confirm off
set pagination off
set width 0
backtrace
frame function main
print p
print total
info threads
detach
