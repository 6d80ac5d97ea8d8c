// A static program without a C library: opens a file and ends by raw system calls.
static long call(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

void _start(void) {
    call(2, (long)"/etc/hostname-of-raw", 0, 0);
    call(60, 4, 0, 0);
}
