package launch;

import java.io.File;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * usage: java launch.Main load|provide|call|run LIST MILLISECONDS ARCHIVE
 *
 * Goes through LIST ({"entries": [{"index": 0, "name": "x"}, ...]}) in order and tells on descriptor 3, a line each:
 * {@code start INDEX}, {@code done INDEX TOKEN}, {@code fail INDEX TOKEN TEXT}, and {@code end}; TOKEN is the entry's.
 *   load     initialises each class ({@code class NAME})
 *   provide  makes what is offered for each {@code service INTERFACE}
 *   call     calls its public static methods without parameters; MILLISECONDS bounds all calls together
 *   run      starts a program ({@code jar}, {@code main CLASS}, {@code agent}, {@code attach}); MILLISECONDS bounds each
 */
public final class Main {
    /** What is still going on after the last entry gets this long, milliseconds. */
    private static final long GRACE = 3_000;
    /** The same for threads that do not keep a program alive: many libraries leave such. */
    private static final long DAEMON_GRACE = 600;

    private static final class Entry {
        int index;
        String name = "";
        String token = "";

        String proof() {
            return token.isEmpty() ? "" : " " + token;
        }
    }

    private interface Way {
        void go(String name) throws Throwable;
    }

    private static OutputStream report;

    public static void main(String[] args) throws Throwable {
        if (args[0].equals("idle")) {
            Thread.sleep(Long.parseLong(args[1]));
            return;
        }
        report = reportStream();
        Path listing = Path.of(args[1]);
        List<Entry> entries = entries(Files.readString(listing));
        // Its tokens show that a line is not the package's.
        Files.delete(listing);
        Set<Thread> ours = threads();
        Way way = way(args[0], entries, Long.parseLong(args[2]), args.length > 3 ? args[3] : "");
        for (Entry entry : entries) {
            tell("start " + entry.index);
            String result;
            try {
                way.go(entry.name);
                result = "done " + entry.index + entry.proof();
            } catch (Throwable error) {
                result = "fail " + entry.index + entry.proof() + " " + describe(error);
            }
            tell(result);
        }
        if (!args[0].equals("run")) {
            waitForThreads(ours);
        }
        tell("end");
        leaving = true;
        System.exit(0);
    }

    private static Way way(String mode, List<Entry> entries, long milliseconds, String archive) {
        switch (mode) {
            case "load":
            case "provide":
                return Main::load;
            case "call":
                return new Caller(milliseconds)::call;
            default:
                return new Runner(entries, milliseconds, archive)::next;
        }
    }

    // --- loading -----------------------------------------------------------------------------------------

    private static void load(String name) throws Throwable {
        int space = name.indexOf(' ');
        String what = name.substring(space + 1);
        if (name.startsWith("service ")) {
            provide(what);
        } else {
            Class.forName(what, true, loader());
        }
    }

    private static ClassLoader loader() {
        return ClassLoader.getSystemClassLoader();
    }

    /** Makes every provider of a service; the first that fails is told, after the others had their turn. */
    private static void provide(String service) throws Throwable {
        Throwable first = null;
        Class<?> type;
        try {
            type = Class.forName(service, false, loader());
        } catch (Throwable absent) {
            type = null;
        }
        if (type == null) {
            // Whoever has the interface would make them all the same.
            for (String provider : providers(service)) {
                try {
                    Constructor<?> constructor = Class.forName(provider, true, loader()).getDeclaredConstructor();
                    constructor.setAccessible(true);
                    constructor.newInstance();
                } catch (Throwable error) {
                    first = first == null ? cause(error) : first;
                }
            }
        } else {
            java.util.Iterator<? extends ServiceLoader.Provider<?>> all =
                ServiceLoader.load(type, loader()).stream().iterator();
            // A list that cannot be read fails again and again.
            for (int failures = 0; failures < 100; ) {
                try {
                    if (!all.hasNext()) {
                        break;
                    }
                    all.next().get();
                } catch (Throwable error) {
                    failures++;
                    first = first == null ? cause(error) : first;
                }
            }
        }
        if (first != null) {
            throw first;
        }
    }

    private static List<String> providers(String service) throws IOException {
        List<String> names = new ArrayList<>();
        for (URL url : Collections.list(loader().getResources("META-INF/services/" + service))) {
            try (InputStream stream = url.openStream()) {
                String text = new String(stream.readNBytes(1 << 20), StandardCharsets.UTF_8);
                for (String line : text.split("\n")) {
                    String name = line.replaceFirst("#.*", "").trim();
                    if (!name.isEmpty() && names.size() < 500) {
                        names.add(name);
                    }
                }
            }
        }
        return names;
    }

    // --- calling -----------------------------------------------------------------------------------------

    private static final Set<String> NEVER_CALL =
        Set.of("exit", "halt", "quit", "abort", "main", "kill", "shutdown", "stop", "waitForever", "park");
    private static volatile boolean leaving;

    /** Calls public static methods without parameters, each with its own deadline, within a time for all. */
    private static final class Caller {
        private static final long LONG = 1_000;
        private static final long SHORT = 250;
        private long left;
        private long patience = 1_000;

        Caller(long milliseconds) {
            left = milliseconds;
            stayAlive();
            // What methods print when they are called is of no use, and may be endless.
            PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream());
            System.setOut(nowhere);
            System.setErr(nowhere);
        }

        void call(String name) throws Throwable {
            Class<?> type = Class.forName(name.substring(name.indexOf(' ') + 1), true, loader());
            for (Method method : type.getDeclaredMethods()) {
                int flags = method.getModifiers();
                boolean wanted = Modifier.isStatic(flags)
                    && Modifier.isPublic(flags)
                    && method.getParameterCount() == 0
                    && !method.isSynthetic()
                    && !NEVER_CALL.contains(method.getName());
                if (!wanted) {
                    continue;
                }
                if (left <= 0) {
                    throw new IllegalStateException("the time for calls was used up before " + method.getName());
                }
                attempt(method);
            }
        }

        private void attempt(Method method) throws InterruptedException {
            long limit = patience > 0 ? LONG : SHORT;
            long began = System.nanoTime();
            Thread thread = new Thread(() -> {
                try {
                    method.setAccessible(true);
                    method.invoke(null);
                } catch (Throwable error) {
                    // What a method thinks of being called is not asked.
                }
            }, "main");
            thread.setDaemon(true);
            thread.start();
            thread.join(limit);
            if (thread.isAlive()) {
                thread.interrupt();
                patience -= limit;
            }
            left -= TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
        }

        /** Code that asks to end the process is refused, where this Java still can. */
        @SuppressWarnings({"removal", "deprecation"})
        private static void stayAlive() {
            try {
                System.setSecurityManager(new SecurityManager() {
                    @Override
                    public void checkPermission(java.security.Permission permission) {
                        if (!leaving && permission.getName().startsWith("exitVM")) {
                            throw new SecurityException("asked to exit");
                        }
                    }

                    @Override
                    public void checkPermission(java.security.Permission permission, Object context) {
                        checkPermission(permission);
                    }
                });
            } catch (UnsupportedOperationException gone) {
                // Then the process ends, and is started again after that entry.
            }
        }
    }

    // --- running programs --------------------------------------------------------------------------------

    /** Starts programs, some ahead of the one that is asked for, because they mostly wait. */
    private static final class Runner {
        private static final int AHEAD = 2;
        private final Deque<String> waiting = new ArrayDeque<>();
        private final Deque<Object> underWay = new ArrayDeque<>();
        private final long milliseconds;
        private final String archive;

        Runner(List<Entry> entries, long milliseconds, String archive) {
            entries.forEach(entry -> waiting.add(entry.name));
            this.milliseconds = milliseconds;
            this.archive = archive;
        }

        void next(String name) throws Throwable {
            while (!waiting.isEmpty() && underWay.size() < AHEAD) {
                String program = waiting.poll();
                try {
                    underWay.add(start(program));
                } catch (IOException error) {
                    underWay.add(error);
                }
            }
            Object started = underWay.poll();
            if (started instanceof IOException) {
                throw (IOException) started;
            }
            Process process = (Process) started;
            if (name.equals("attach")) {
                attach(process);
            }
            if (!process.waitFor(milliseconds, TimeUnit.MILLISECONDS)) {
                process.descendants().forEach(ProcessHandle::destroyForcibly);
                process.destroyForcibly().waitFor();
                throw new IllegalStateException("was still running after " + milliseconds + " ms");
            }
        }

        private Process start(String program) throws IOException {
            String[] words = program.split(" ");
            String path = System.getProperty("java.class.path");
            List<String> command = new ArrayList<>();
            command.add(System.getProperty("java.home") + File.separator + "bin" + File.separator + "java");
            Collections.addAll(command, "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData");
            command.add("-Djava.awt.headless=true");
            switch (words[0]) {
                case "jar":
                    Collections.addAll(command, "-jar", archive);
                    break;
                case "main":
                    Collections.addAll(command, "-cp", path, words[1]);
                    break;
                case "agent":
                    Collections.addAll(command, "-javaagent:" + archive, "-cp", path, "launch.Main", "idle", "300");
                    break;
                default:
                    Collections.addAll(command, "-cp", path, "launch.Main", "idle", "2000");
            }
            int from = words[0].equals("main") ? 2 : 1;
            command.addAll(List.of(words).subList(Math.min(from, words.length), words.length));
            return new ProcessBuilder(command)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(ProcessBuilder.Redirect.INHERIT)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        }

        /** Loads an agent into a program that is running already. */
        private void attach(Process process) throws Exception {
            com.sun.tools.attach.VirtualMachine machine =
                com.sun.tools.attach.VirtualMachine.attach(Long.toString(process.pid()));
            try {
                machine.loadAgent(archive);
            } finally {
                machine.detach();
            }
        }
    }

    // --- the list ----------------------------------------------------------------------------------------

    private static OutputStream reportStream() throws Throwable {
        Constructor<FileDescriptor> constructor = FileDescriptor.class.getDeclaredConstructor(int.class);
        constructor.setAccessible(true);
        return new FileOutputStream(constructor.newInstance(3));
    }

    private static void tell(String line) {
        try {
            report.write((line + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException gone) {
            // Nobody listens any more.
        }
    }

    /** One line, whatever was thrown; showing it may run code and throw again. */
    private static String describe(Throwable error) {
        try {
            String text = cause(error).toString();
            text = text.length() > 300 ? text.substring(0, 300) : text;
            return text.replaceAll("\\p{Cntrl}", " ");
        } catch (Throwable worse) {
            return "threw something that cannot be shown";
        }
    }

    private static Throwable cause(Throwable error) {
        Throwable inner = error;
        while ((inner instanceof ExceptionInInitializerError || inner instanceof InvocationTargetException)
            && inner.getCause() != null) {
            inner = inner.getCause();
        }
        return inner;
    }

    private static Set<Thread> threads() {
        return new HashSet<>(Thread.getAllStackTraces().keySet());
    }

    private static void waitForThreads(Set<Thread> ours) throws InterruptedException {
        long began = System.nanoTime();
        while (true) {
            long passed = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
            boolean more = false;
            for (Thread thread : threads()) {
                boolean foreign = !ours.contains(thread) && thread.getThreadGroup() != null
                    && !thread.getThreadGroup().getName().equals("system");
                more |= foreign && passed < (thread.isDaemon() ? DAEMON_GRACE : GRACE);
            }
            if (!more) {
                return;
            }
            Thread.sleep(20);
        }
    }

    /** Only what the list is written with: objects of strings and whole numbers. */
    private static List<Entry> entries(String json) {
        List<Entry> entries = new ArrayList<>();
        Entry entry = null;
        String key = null;
        for (int at = 0; at < json.length(); at++) {
            char c = json.charAt(at);
            if (c == '{' && at > 0) {
                entry = new Entry();
                key = null;
            } else if (c == '}' && entry != null) {
                entries.add(entry);
                entry = null;
            } else if (c == '"') {
                StringBuilder text = new StringBuilder();
                for (at++; json.charAt(at) != '"'; at++) {
                    char next = json.charAt(at);
                    if (next != '\\') {
                        text.append(next);
                        continue;
                    }
                    at++;
                    if (json.charAt(at) == 'u') {
                        text.append((char) Integer.parseInt(json.substring(at + 1, at + 5), 16));
                        at += 4;
                    } else {
                        text.append(json.charAt(at));
                    }
                }
                if (entry == null || key == null) {
                    key = text.toString();
                } else {
                    entry.name = key.equals("name") ? text.toString() : entry.name;
                    entry.token = key.equals("token") ? text.toString() : entry.token;
                    key = null;
                }
            } else if (Character.isDigit(c) && entry != null) {
                int end = at;
                while (Character.isDigit(json.charAt(end))) {
                    end++;
                }
                entry.index = Integer.parseInt(json.substring(at, end));
                at = end - 1;
                key = null;
            }
        }
        return entries;
    }
}
