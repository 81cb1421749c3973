/* Start-up and files without a libc. */
#include <stdint.h>

int main(void);
int kolam_read(void *to, uint32_t size);
void kolam_write(const void *from, uint32_t size);
float rintf(float x);
double rint(double x);
void kolam_start(void);

#if defined(__aarch64__)
#define CALL_READ 63
#define CALL_WRITE 64
#define CALL_EXIT 93
__asm__(".globl _start\n_start: mov x29, #0\n bl kolam_start\n");
static long kolam_call(long number, long a, long b, long c) {
    register long r0 __asm__("x0") = a;
    register long r1 __asm__("x1") = b;
    register long r2 __asm__("x2") = c;
    register long n __asm__("x8") = number;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r1), "r"(r2), "r"(n) : "memory");
    return r0;
}
#elif defined(__riscv)
#define CALL_READ 63
#define CALL_WRITE 64
#define CALL_EXIT 93
__asm__(".globl _start\n_start: .option push\n .option norelax\n la gp, __global_pointer$\n"
        " .option pop\n call kolam_start\n");
static long kolam_call(long number, long a, long b, long c) {
    register long r0 __asm__("a0") = a;
    register long r1 __asm__("a1") = b;
    register long r2 __asm__("a2") = c;
    register long n __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(r0) : "r"(r1), "r"(r2), "r"(n) : "memory");
    return r0;
}
#else
#define CALL_READ 3
#define CALL_WRITE 4
#define CALL_EXIT 1
__asm__(".globl _start\n_start: bl kolam_start\n");
static long kolam_call(long number, long a, long b, long c) {
    register long r0 __asm__("r0") = a;
    register long r1 __asm__("r1") = b;
    register long r2 __asm__("r2") = c;
    register long n __asm__("r7") = number;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r1), "r"(r2), "r"(n) : "memory");
    return r0;
}
#endif

int kolam_read(void *to, uint32_t size) {
    unsigned char *place = to;
    while (size > 0) {
        const long got = kolam_call(CALL_READ, 0, (long)place, (long)size);
        if (got <= 0) {
            return 0;
        }
        place += got;
        size -= (uint32_t)got;
    }
    return 1;
}

void kolam_write(const void *from, uint32_t size) {
    const unsigned char *place = from;
    while (size > 0) {
        const long sent = kolam_call(CALL_WRITE, 1, (long)place, (long)size);
        if (sent <= 0) {
            kolam_call(CALL_EXIT, 1, 0, 0);
            return;
        }
        place += sent;
        size -= (uint32_t)sent;
    }
}

void kolam_start(void) {
    kolam_call(CALL_EXIT, main(), 0, 0);
    for (;;) {
    }
}
