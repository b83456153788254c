# git over a repository of 500 files: every command that walks, packs or rewrites it.
# needs: git
set -e
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
git config --global user.name Oyster
git config --global user.email oyster@example.org
git config --global init.defaultBranch main
git config --global advice.detachedHead false
git init -q big
cd big
for d in $(seq 1 20); do
	mkdir -p "dir$d/sub"
	for f in $(seq 1 25); do
		seq "$d" $((d + f)) >"dir$d/sub/file$f.txt"
	done
done
git add .
git commit -qm 'five hundred files'
git status --short | wc -l
git ls-files | wc -l
git rev-parse HEAD HEAD^{tree}

echo '== status and diff'
echo changed >>dir3/sub/file4.txt
rm dir5/sub/file6.txt
mv dir7/sub/file8.txt dir7/sub/renamed.txt
chmod +x dir9/sub/file10.txt
ln -s file1.txt dir1/sub/link
echo new >untracked
git status --porcelain=v2 --branch
git diff --stat
git diff dir3
git add -A
git diff --cached --stat -M
git commit -qm 'a few changes'
git show --stat --format='%H %s'

echo '== stash'
echo work >>dir2/sub/file1.txt
echo index >>dir2/sub/file2.txt
git add dir2/sub/file2.txt
git stash push -q -m 'half done'
git status --short
git stash list
git stash pop -q --index
git status --short
git checkout -q -- . && git reset -q --hard

echo '== branch, merge, rebase'
git checkout -q -b topic
for i in 1 2 3; do
	echo "topic $i" >>dir10/sub/file$i.txt
	git commit -qam "topic $i"
done
git checkout -q main
echo main >>dir11/sub/file1.txt
git commit -qam 'on main'
git merge -q --no-ff -m 'merge topic' topic
git log --oneline --graph | cat
git checkout -q -b other HEAD~1
echo other >>dir12/sub/file1.txt
git commit -qam 'other 1'
echo conflict >>dir10/sub/file1.txt
git commit -qam 'other 2'
git rebase -q main >/dev/null 2>&1 || echo "conflict: $(git diff --name-only --diff-filter=U)"
cat dir10/sub/file1.txt | tail -n 7
printf 'solved\n' >dir10/sub/file1.txt
git add dir10/sub/file1.txt
GIT_EDITOR=true git rebase --continue >/dev/null 2>&1
git log --format='%h %s' -n 4
git rev-parse HEAD
git cherry-pick topic~1 >/dev/null 2>&1 || { echo 'empty or conflict'; git cherry-pick --abort 2>/dev/null || git cherry-pick --skip; }
git revert --no-edit HEAD >/dev/null
git log --format=%s -n 1
git bisect start HEAD HEAD~3 >/dev/null 2>&1
git bisect run sh -c '! grep -q other dir12/sub/file1.txt' 2>/dev/null | grep 'first bad'
git bisect reset -q 2>/dev/null || git bisect reset >/dev/null 2>&1
git blame -s dir3/sub/file4.txt | tail -n 3
git grep -c changed
git tag -a v1 -m 'version one'
git describe

echo '== gc, fsck, clone'
git gc -q --aggressive --prune=now
git count-objects -v | grep -E '^(count|in-pack|packs|garbage)'
git fsck --full --strict 2>&1
cd ..
git clone -q --no-local big copy
git -C copy fsck 2>&1
git -C copy log --format=%H -n 1
git clone -q --bare big bare.git
git clone -q "file://$PWD/bare.git" --depth 1 shallow
git -C shallow rev-list --count HEAD
(cd copy && echo pushed >>dir1/sub/file1.txt && git commit -qam pushed && git push -q ../bare.git HEAD:pushed)
git -C bare.git log --format=%s -n 1 pushed
git -C big fetch -q ../bare.git pushed && git -C big log -n 1 --format=%s FETCH_HEAD

echo '== worktree, archive, bundle, submodule'
git -C big worktree add -q ../tree topic
git -C tree status --short --branch
git -C big worktree list | awk '{ print $2, $3 }'
git -C big worktree remove tree 2>/dev/null || git -C big worktree remove ../tree
git -C big archive --format=tar HEAD | tar tf - | wc -l
git -C big bundle create -q ../b.bundle main
git bundle verify -q b.bundle && git clone -q b.bundle frombundle -b main
diff -r --exclude=.git frombundle <(git -C big archive main | (mkdir ex && tar xf - -C ex && echo)) >/dev/null 2>&1 || true
git -C big -c protocol.file.allow=always submodule add -q ../bare.git sub 2>&1
git -C big submodule status | cut -c 1-41
git -C big config core.fsmonitor false
git -C big rev-parse main topic v1
