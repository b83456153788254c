# rustc and cargo, offline.
# needs: rustc cargo
export CARGO_HOME="$PWD/cargo" CARGO_NET_OFFLINE=true
cat >h.rs <<'R'
use std::{collections::HashMap, fs, io::Write, process::Command, sync::{mpsc, Arc, Mutex}, thread};
fn main() {
    let (tx, rx) = mpsc::channel();
    let handles: Vec<_> = (0..4u64).map(|i| { let tx = tx.clone(); thread::spawn(move || tx.send(i * i).unwrap()) }).collect();
    for h in handles { h.join().unwrap(); }
    drop(tx);
    println!("{}", rx.iter().sum::<u64>());
    let m = Arc::new(Mutex::new(0));
    thread::scope(|s| for _ in 0..3 { s.spawn(|| *m.lock().unwrap() += 1); });
    println!("{}", m.lock().unwrap());
    fs::File::create("f").unwrap().write_all(b"rust").unwrap();
    println!("{} {:?}", fs::read_to_string("f").unwrap(), fs::read("none").map_err(|e| e.kind()));
    println!("{:?}", Command::new("sh").args(["-c", "exit 3"]).status().unwrap().code());
    let words: HashMap<_, _> = ["a", "b"].iter().enumerate().map(|(i, w)| (w, i)).collect();
    println!("{}", words[&"b"]);
    let r = std::panic::catch_unwind(|| panic!("caught"));
    println!("{}", r.is_err());
}
R
rustc -O h.rs 2>&1 && ./h 2>/dev/null; echo $?
cargo new -q --vcs none toy 2>&1 && cp h.rs toy/src/main.rs
printf '#[test]\nfn works() { assert_eq!(2 + 2, 4); }\n' >>toy/src/main.rs
cd toy && cargo build -q 2>&1 && ./target/debug/toy 2>/dev/null; echo $?
cargo test -q 2>/dev/null | grep -c 'test result: ok'; cargo run -q --release 2>/dev/null | head -n 1
