// Inert acts for the tests: each argument list names one. Only ever touches its own processes, loopback and
// documentation addresses.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int expect_errno(long result, int expected) {
    return result == -1 && errno == expected ? 0 : 1;
}

static int paths(const char *dir) {
    chdir(dir);
    mkdir("sub", 0755);
    int fd = open("sub", O_RDONLY | O_DIRECTORY);
    close(openat(fd, "../one", O_CREAT | O_WRONLY, 0644));
    close(openat(fd, "two", O_CREAT | O_RDWR | O_TRUNC, 0600));
    symlink("sub", "link");
    close(open("link/two", O_RDONLY));
    close(open("link/three", O_CREAT | O_WRONLY, 0644));
    open("absent/file", O_RDONLY);
    renameat(AT_FDCWD, "one", fd, "moved");
    linkat(fd, "moved", AT_FDCWD, "hard", 0);
    fchmod(fd, 0700);
    chmod("hard", 0755);
    chdir("sub");
    unlink("moved");
    rmdir("../sub/none");
    truncate("two", 7);
    mkfifo("pipe", 0600);
    return 0;
}

static int nets(void) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(4444)};
    inet_pton(AF_INET, "192.0.2.7", &v4.sin_addr);
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
    inet_pton(AF_INET6, "2001:db8::7", &v6.sin6_addr);
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/none.sock"};
    struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0hidden"};
    int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(s, (void *)&v4, sizeof v4);
    int u = socket(AF_INET6, SOCK_DGRAM, 0);
    connect(u, (void *)&v6, sizeof v6);
    int d = socket(AF_INET, SOCK_DGRAM, 0);
    sendto(d, "hello", 5, MSG_DONTWAIT, (void *)&v4, sizeof v4);
    struct iovec pieces[2] = {{"abc", 3}, {"defg", 4}};
    struct msghdr message = {.msg_name = &v4, .msg_namelen = sizeof v4, .msg_iov = pieces, .msg_iovlen = 2};
    sendmsg(d, &message, MSG_DONTWAIT);
    struct mmsghdr many[2] = {{.msg_hdr = message}, {.msg_hdr = {.msg_iov = pieces, .msg_iovlen = 1}}};
    sendmmsg(d, many, 2, MSG_DONTWAIT);
    int l = socket(AF_UNIX, SOCK_STREAM, 0);
    connect(l, (void *)&un, sizeof un);
    connect(l, (void *)&abstract, offsetof(struct sockaddr_un, sun_path) + 7);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bind(server, (void *)&local, sizeof local);
    listen(server, 1);
    dup2(s, 1);
    return 0;
}

static int memfd(const char *program, int hop) {
    int from = open(program, O_RDONLY);
    int to = memfd_create("shade", MFD_CLOEXEC);
    char buffer[65536];
    for (ssize_t n; (n = read(from, buffer, sizeof buffer)) > 0;)
        if (write(to, buffer, n) != n) return 1;
    char *argv[] = {"renamed", hop ? "exit" : NULL, "7", NULL};
    return syscall(SYS_execveat, to, "", argv, environ, AT_EMPTY_PATH);
}

static void *sleeper(void *unused) {
    for (;;) pause();
    return unused;
}

static void *executor(void *self) {
    char *argv[] = {self, "exit", "5", NULL};
    execve(self, argv, environ);
    return NULL;
}

static int thread_exec(char *self) {
    pthread_t a, b;
    pthread_create(&a, NULL, sleeper, NULL);
    pthread_create(&b, NULL, executor, self);
    for (;;) pause();
}

static void *orphan_thread(void *path) {
    usleep(50000);
    chdir("/usr");
    close(open(path, O_RDONLY));
    open("absent", O_RDONLY);
    exit(3);
}

// The first thread ends, and the process lives on without it.
static void headless(char *path) {
    pthread_t thread;
    pthread_create(&thread, NULL, orphan_thread, path);
    pthread_exit(NULL);
}

static int vforks(char *self) {
    for (int i = 0; i < 20; i++) {
        pid_t child = vfork();
        if (child == 0) {
            execl(self, self, "exit", "0", NULL);
            _exit(127);
        }
        waitpid(child, NULL, 0);
    }
    return 0;
}

static int many(int count) {
    for (int i = 0; i < count; i++) {
        pid_t child = fork();
        if (child == 0) _exit(0);
        if (child < 0 || waitpid(child, NULL, 0) != child) return 1;
    }
    return 0;
}

static int refused(void) {
    int bad = 0;
    bad |= expect_errno(syscall(SYS_io_uring_setup, 1, NULL), ENOSYS);
    bad |= expect_errno(ptrace(PTRACE_TRACEME, 0, 0, 0), EPERM);
    bad |= expect_errno(unshare(CLONE_NEWUSER), EPERM);
    bad |= expect_errno(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM);
    bad |= expect_errno(syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0), EPERM);
    unsigned long long flags[11] = {CLONE_NEWNET, 0, 0, 0, SIGCHLD};
    bad |= expect_errno(syscall(SYS_clone3, flags, sizeof flags), EPERM);
    bad |= expect_errno(syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL), EPERM);
    bad |= expect_errno(syscall(SYS_bpf, 0, NULL, 0), EPERM);
    bad |= prctl(PR_SET_DUMPABLE, 0) != 0;
    bad |= expect_errno(syscall(SYS_getpid | 0x40000000), ENOSYS);
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
    bad |= result != -ENOSYS;
    return bad;
}

static int memory(void) {
    mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    return 0;
}

static int stop(void) {
    pid_t child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        _exit(9);
    }
    int status;
    if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status)) return 1;
    kill(child, SIGCONT);
    if (waitpid(child, &status, 0) != child) return 2;
    return WEXITSTATUS(status) == 9 ? 0 : 3;
}

static volatile sig_atomic_t caught;
static void on_signal(int signal) { caught = signal; }

static int signals(void) {
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    return caught == SIGUSR1 ? 0 : 1;
}

static int flood(const char *path, int count) {
    for (int i = 0; i < count; i++) close(open(path, O_RDONLY));
    return nets();
}

static int rounds(const char *path, int count) {
    struct stat st;
    for (int i = 0; i < count; i++) {
        stat(path, &st);
        close(open(path, O_RDONLY));
    }
    return 0;
}

static int daemonise(void) {
    if (fork() == 0) {
        setsid();
        if (fork() == 0) sleeper(NULL);
        _exit(0);
    }
    wait(NULL);
    return 0;
}

static int naps(void) {
    struct timespec hour = {3600, 0};
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    int result = nanosleep(&hour, NULL);
    clock_gettime(CLOCK_MONOTONIC, &after);
    return result == 0 && after.tv_sec - before.tv_sec < 3 ? 0 : 1;
}

static int give_away(void) {
    pid_t child = fork();
    if (child == 0) {
        if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0) _exit(0);
        _exit(0);
    }
    int ended = 0;
    while (wait(NULL) > 0) ended++;
    return ended == 2 ? 0 : 1;
}

// Children that fork, exec and open in a loop are killed at moments that differ from one to the next.
static int massacre(char *self, int count) {
    for (int i = 0; i < count; i++) {
        pid_t child = fork();
        if (child == 0) {
            setpgid(0, 0);
            for (;;) {
                if (vfork() == 0) {
                    execl(self, self, "exit", "0", NULL);
                    _exit(127);
                }
                close(open("/etc/hostname", O_RDONLY));
                if (fork() == 0) _exit(0);
            }
        }
        setpgid(child, child);
        usleep(i * 37 % 5000);
        kill(-child, SIGKILL);
        if (waitpid(child, NULL, 0) != child) return 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    const char *act = argc > 1 ? argv[1] : "";
    const char *first = argc > 2 ? argv[2] : "";
    if (!strcmp(act, "exit")) return atoi(first);
    if (!strcmp(act, "paths")) return paths(first);
    if (!strcmp(act, "nets")) return nets();
    if (!strcmp(act, "memfd")) return memfd(argv[0], 1);
    if (!strcmp(act, "thread-exec")) return thread_exec(argv[0]);
    if (!strcmp(act, "vforks")) return vforks(argv[0]);
    if (!strcmp(act, "many")) return many(atoi(first));
    if (!strcmp(act, "refused")) return refused();
    if (!strcmp(act, "memory")) return memory();
    if (!strcmp(act, "stop")) return stop();
    if (!strcmp(act, "signals")) return signals();
    if (!strcmp(act, "flood")) return flood(first, atoi(argv[3]));
    if (!strcmp(act, "rounds")) return rounds(first, atoi(argv[3]));
    if (!strcmp(act, "daemon")) return daemonise();
    if (!strcmp(act, "naps")) return naps();
    if (!strcmp(act, "give-away")) return give_away();
    if (!strcmp(act, "massacre")) return massacre(argv[0], atoi(first));
    if (!strcmp(act, "headless")) headless(argv[2]);
    if (!strcmp(act, "hang")) sleeper(NULL);
    return 99;
}
