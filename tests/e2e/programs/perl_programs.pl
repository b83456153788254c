# perl: files, processes, pipes, signals, sockets, sysopen, File::* modules.
# needs: perl
use strict;
use warnings;
use Fcntl qw(:DEFAULT :flock :seek);
use File::Copy;
use File::Find;
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempfile tempdir);
use IO::Handle;
use IO::Select;
use IO::Socket::UNIX;
use IPC::Open2;
use IPC::Open3;
use POSIX qw(:sys_wait_h :signal_h dup2 mkfifo strftime);
use Storable qw(store retrieve);
use Time::HiRes qw(usleep ualarm);
use Cwd;
$| = 1;

print "== files\n";
open(my $f, '+>', 'file') or die $!;
print $f "line $_\n" for 1 .. 1000;
seek($f, 0, SEEK_SET);
my $n = () = <$f>;
print "$n ", -s $f, " ", tell($f), "\n";
truncate($f, 100);
print -s 'file', "\n";
flock($f, LOCK_EX) or die;
sysopen(my $g, 'file', O_RDWR | O_CREAT | O_EXCL) or print "$!\n";
rename('file', 'renamed') or die;
link('renamed', 'linked') and symlink('renamed', 'soft');
print join(' ', (stat 'linked')[3], readlink('soft'), (lstat 'soft')[7]), "\n";
utime(1e9, 1e9, 'renamed');
print strftime('%F', gmtime((stat 'soft')[9])), " ", -M 'soft' > 100 ? "old" : "new", "\n";
print "chmod ", chmod(0600, 'renamed', 'none'), " unlink ", unlink('linked', 'none'), "\n";
make_path('a/b/c', 'a/d');
copy('renamed', 'a/b/x');
move('a/b/x', 'a/d/y');
find({no_chdir => 1, wanted => sub { print "$_\n" }, preprocess => sub { sort @_ }}, 'a');
remove_tree('a');
print -d 'a' ? "there" : "gone", "\n";
my ($t, $name) = tempfile(UNLINK => 1);
print $t "x" x 5000;
close $t;
print -s $name, "\n";
opendir(my $d, '.') or die;
print join(' ', sort grep { !/^\./ } readdir $d), "\n";
print join(' ', sort glob('*e*')), "\n";
store({a => [1 .. 5], b => 'x'}, 'stored');
print join(',', @{retrieve('stored')->{a}}), "\n";
print((-e '/dev/null' ? 'e' : ''), (-c _ ? 'c' : ''), (-r '/etc/passwd' ? 'r' : ''), "\n");

print "== processes\n";
print "status ", system('sh', '-c', 'exit 3') >> 8, " ", system('kill -9 $$') & 127, "\n";
print `echo quoted; seq 1 3`;
open(my $p, '-|', 'sort', '-r', '/etc/shells') or die;
my @lines = <$p>;
close $p;
print scalar(@lines) > 0 ? "lines\n" : "none\n";
open($p, '|-', 'tr a-z A-Z') or die;
print $p "to a child\n";
close $p;
open($p, '-|') // die or do { print "from the child\n"; exit 7 };
print <$p>;
close $p;
print $? >> 8, "\n";
my @kids;
for my $i (1 .. 8) {
	my $pid = fork;
	exit $i if !$pid;
	push @kids, $pid;
}
print join(' ', map { waitpid($_, 0); $? >> 8 } @kids), "\n";
print waitpid(-1, WNOHANG), " $!\n";
my $pid = open2(my $out, my $in, 'cat');
print $in "there and back\n";
close $in;
print <$out>;
waitpid($pid, 0);
$pid = open3(my $in3, my $out3, my $err3 = IO::Handle->new, 'sh', '-c', 'echo o; echo e >&2; exit 2');
print <$out3>, <$err3>;
waitpid($pid, 0);
print $? >> 8, "\n";
exec('/nonexistent') or print "exec: $!\n";
pipe(my $r, my $w);
if (!($pid = fork)) { close $r; dup2(fileno($w), 1); exec 'echo', 'through dup2' }
close $w;
print <$r>;
wait;

print "== signals\n";
my @got;
$SIG{$_} = sub { push @got, $_[0] } for qw(USR1 USR2 HUP);
kill $_, $$ for qw(USR1 USR2 HUP USR1);
print "@got\n";
eval { local $SIG{ALRM} = sub { die "alarm\n" }; alarm 1; ualarm 20000; sleep 10; };
print "caught $@";
my $set = POSIX::SigSet->new(SIGUSR1);
sigprocmask(SIG_BLOCK, $set);
kill USR1 => $$;
my $pending = POSIX::SigSet->new;
sigpending($pending);
print "pending ", $pending->ismember(SIGUSR1), "\n";
sigprocmask(SIG_UNBLOCK, $set);
print scalar(@got), "\n";
$SIG{CHLD} = sub { 1 while waitpid(-1, WNOHANG) > 0; push @got, 'CHLD' };
if (!fork) { exit 0 }
usleep(10000) until grep { $_ eq 'CHLD' } @got;
print "reaped\n";
$SIG{CHLD} = 'IGNORE';
if (!fork) { exit 0 }
print wait, "\n";
$SIG{CHLD} = 'DEFAULT';
$SIG{PIPE} = sub { print "SIGPIPE\n" };
pipe($r, $w);
close $r;
syswrite($w, 'x') // print "$!\n";

print "== sockets\n";
my $server = IO::Socket::UNIX->new(Local => 'sock', Listen => 5) or die $!;
if (!fork) {
	my $c = IO::Socket::UNIX->new('sock') or die $!;
	print $c "hello $_\n" for 1 .. 3;
	shutdown($c, 1);
	print "client read: ", <$c>;
	exit 0;
}
my $s = $server->accept;
my @in = <$s>;
print $s scalar(@in), " lines\n";
close $s;
wait;
socketpair(my $x, my $y, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
my $select = IO::Select->new($x);
print scalar($select->can_read(0.01)) // 'none', "\n";
syswrite($y, 'ready');
print scalar(my @ready = $select->can_read(5)), "\n";
sysread($x, my $buffer, 100);
print "$buffer\n";
mkfifo('fifo', 0600);
if (!fork) { open(my $o, '>', 'fifo'); print $o "by fifo\n"; exit 0 }
open(my $i, '<', 'fifo');
print <$i>;
wait;

print "== test\n";
$ENV{X} = 'y';
system($^X, '-MTest::More', '-e', 'plan tests => 3; ok 1, "one"; is 2, 2, "two"; like "abc", qr/b/, "three"');
system($^X, '-e', 'print "env $ENV{X}\n"; local $0 = "renamed"; print `cat /proc/$$/cmdline` =~ /renamed/ ? "title\n" : "no title\n"') ;
print getcwd() eq `pwd -P | tr -d "\\n"` ? "cwd\n" : "not cwd\n";
print((getpwuid($<))[0], " ", (getpwnam('root'))[2], " ", getppid() > 0 ? 1 : 0, "\n");
{ use threads; my @t = map { my $k = $_; threads->create(sub { $k * $k }) } 1 .. 6; print join(' ', map { $_->join } @t), "\n"; }
