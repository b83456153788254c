// java: the compiler, threads, files, a child process, a memory-mapped file, signals of the JVM.
// needs: java
import java.io.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;

public class Hello {
	public static void main(String[] args) throws Exception {
		System.out.println("hello");
		ExecutorService pool = Executors.newFixedThreadPool(4);
		List<Future<Integer>> results = new ArrayList<>();
		for (int i = 0; i < 10; i++) {
			int n = i;
			results.add(pool.submit(() -> n * n));
		}
		int sum = 0;
		for (Future<Integer> f : results) sum += f.get();
		pool.shutdown();
		System.out.println(sum + " " + IntStream.range(0, 100000).parallel().mapToLong(x -> x).sum());
		Path p = Path.of("file");
		Files.write(p, Collections.nCopies(1000, "line"));
		System.out.println(Files.size(p) + " " + Files.lines(p).count());
		try (FileChannel c = FileChannel.open(p, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
			MappedByteBuffer m = c.map(FileChannel.MapMode.READ_WRITE, 0, 100);
			m.put(0, (byte) 'X');
			m.force();
			try (FileLock lock = c.tryLock()) { System.out.println(lock.isValid()); }
		}
		System.out.println(Files.readString(p).substring(0, 4));
		Process child = new ProcessBuilder("sh", "-c", "cat; exit 3").start();
		child.getOutputStream().write("to the child".getBytes());
		child.getOutputStream().close();
		System.out.println(new String(child.getInputStream().readAllBytes()) + " " + child.waitFor());
		try { Object o = null; o.hashCode(); } catch (NullPointerException e) { System.out.println("null"); }
		try { deep(0); } catch (StackOverflowError e) { System.out.println("overflow"); }
		Files.walk(Path.of("/etc/apt")).map(Path::toString).sorted().limit(3).forEach(System.out::println);
		List<byte[]> garbage = new ArrayList<>();
		for (int i = 0; i < 300; i++) { garbage.add(new byte[1 << 20]); if (garbage.size() > 20) garbage.clear(); }
		System.gc();
		Thread t = new Thread(() -> { try { Thread.sleep(10000); } catch (InterruptedException e) { System.out.println("interrupted"); } });
		t.start();
		t.interrupt();
		t.join();
		Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
		System.exit(5);
	}
	static int deep(int n) { return deep(n + 1) + 1; }
}
