# Small languages and editors: awk, sed, bc, ed, vim, jq, lua, tcl, m4.
# needs: gawk mawk jq lua5.4
echo '== awk'
for awk in gawk mawk 'busybox awk'; do
	$awk -F: '{ n[$7]++ } END { for (s in n) print s, n[s] | "sort"; close("sort"); print NR }' /etc/passwd
	$awk 'BEGIN { while (("seq 1 5" | getline x) > 0) s += x; close("seq 1 5"); print s; "date -u -d @0 +%Y" | getline y; print y; print system("exit 3"); print "to stderr" >"/dev/stderr"; printf "%s\n", toupper("abc") | "cat"; print length(ENVIRON["HOME"]) > 0 }' 2>/dev/null
	seq 1 20 | $awk 'NR % 5 == 0 { print > ("out" NR) } END { close("out20"); getline l < "out20"; print l, substr("hello", 2, 3), index("abc", "c"), match("xyz", /y/) }'
done
gawk 'BEGIN { c = "sort -n"; print "3\n1\n2" |& c; close(c, "to"); while ((c |& getline l) > 0) print l; print strftime("%Y", 0, 1), (PROCINFO["pid"] > 0), gensub(/b/, "X", "g", "abab"); printf "%c%5.2f\n", 65, 3.14159 }'
gawk -v OFS=- 'BEGIN { PROCINFO["sorted_in"] = "@ind_num_asc"; split("5 3 9", a); asort(a); for (i in a) print i, a[i] }'
echo '== sed'
seq 1 10 | sed -n '3,5p;$=;7{s/7/seven/;p}'; seq 1 3 | sed -e '2w two' -e '1!G;h;$!d'; cat two; seq 5 >e; sed -i.bak 's/3/three/' e; cat e; diff e e.bak; sed -s -n '$p' e e.bak; echo x | sed 's/x/date -u -d @0 +%Y/e'; sed --version | head -n 1
echo '== bc, dc, ed, m4'
command -v bc >/dev/null && bc -l <<<'scale=20; 4*a(1); 2^100; sqrt(2)'
command -v dc >/dev/null && dc -e '20k 2v p 3 4 + p'
command -v ed >/dev/null && { printf 'a\nhello\nworld\n.\n1s/hello/bye/\nw edited\n!echo shell\n,p\nq\n' | ed -s; cat edited; }
command -v m4 >/dev/null && m4 <<<'define(`x', `$1 and $2')x(a, b) syscmd(`echo sys')' 2>/dev/null
echo '== vim'
command -v vim >/dev/null && { seq 1 5 >v; vim -u NONE -es -c '%s/3/three/' -c 'normal Goadded' -c 'r !echo from a shell' -c '%!sort -r' -c 'wq' v; echo $?; cat v; vim -u NONE -es -c 'set nomore' -c 'redir! >vo' -c 'echo 6*7' -c 'echo strftime("%Y", 0)' -c 'redir END' -c 'qa!'; tr -d '\n' <vo; echo; ls -A | grep -c swp; }
echo '== jq'
echo '{"a":[1,2,{"b":null}],"c":"x"}' | jq -c '.a[2], (.a | length), (. | keys), (.c | ascii_upcase), [paths]'; jq -n --arg x y '$x, env.HOME == null, ([range(5)] | add), (now > 0), ("a,b" | split(","))' -c; echo '{bad' | jq . 2>/dev/null; echo $?; seq 1 5 | jq -s -c 'map(. * .)'; jq -n 'input' </dev/null 2>/dev/null; echo $?; jq -e .x <<<'{}' ; echo $?
echo '== lua'
lua5.4 - <<'L'
local f = assert(io.open("lf", "w")); f:setvbuf("full", 4096); for i = 1, 3000 do f:write(i, "\n") end; f:close()
local n = 0; for l in io.lines("lf") do n = n + tonumber(l) end; print(n)
print(os.execute("exit 3")); print(io.popen("echo popen"):read("l")); print(os.getenv("HOME") ~= nil, os.time() > 0, os.clock() >= 0)
print(pcall(io.lines, "none")); print(os.rename("lf", "lg"), os.remove("lg"), os.remove("lg")); local t = io.tmpfile(); t:write("x"); t:seek("set"); print(t:read("a"))
local co = coroutine.create(function(a) local b = coroutine.yield(a + 1); error("in coroutine " .. b) end); print(coroutine.resume(co, 1)); print(coroutine.resume(co, 5)); print(string.format("%q %5.1f", "a\nb", 2.55), #("x"):rep(1000000)); print(load("return 1 + 1")()); print(select(-1, 1, 2, 3), math.type(3 // 1), 7 // 2, 2^53)
L
echo '== tcl'
command -v tclsh >/dev/null && tclsh <<'T'
puts [exec echo through exec | tr a-z A-Z]; set f [open tf w]; puts $f data; close $f; puts [file size tf]; after 20 {set done 1}; vwait done; puts $done
set p [open "|sort" r+]; puts $p b; puts $p a; close $p write; puts [read $p]; puts [catch {exec false}] ; file mkdir td; puts [lsort [glob -nocomplain t*]]; file delete -force td
T
exit 0
