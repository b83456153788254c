# java: a single-file program through the compiler in memory, javac and a jar.
# needs: java javac
java -version 2>&1 | wc -l
java "$PROGRAMS/Hello.java"; echo $?
javac -d out "$PROGRAMS/Hello.java" && java -Xmx100m -cp out Hello; echo $?
java -Xint -XX:+UseSerialGC -cp out Hello | tail -n 1
printf 'Main-Class: Hello\n' >m && jar cfm h.jar m -C out . && java -jar h.jar | head -n 1
java -cp out None 2>/dev/null; echo $?
