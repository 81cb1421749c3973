/* Start-up of a Cortex-M, and files of the host by semihosting (a debugger or QEMU answers). */
#include <stdint.h>

enum { OPEN = 1, WRITE_TEXT = 4, WRITE = 5, READ = 6, EXIT = 0x20 };

int main(void);
int kolam_read(void *to, uint32_t size);
void kolam_write(const void *from, uint32_t size);
float rintf(float x);
double rint(double x);
void kolam_reset(void);
void kolam_fault(void);
extern uint32_t kolam_data_load[], kolam_data[], kolam_data_end[], kolam_bss[], kolam_bss_end[];
extern uint32_t kolam_stack_top[];

static uint32_t files[2];

static int32_t ask(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

static void end(uint32_t code) {
    const uint32_t reason[2] = {0x20026u, code};
    for (;;) {
        ask(EXIT, reason);
    }
}

static uint32_t open_file(const char *name, uint32_t length, uint32_t mode) {
    const uint32_t block[3] = {(uint32_t)(uintptr_t)name, mode, length};
    return (uint32_t)ask(OPEN, block);
}

int kolam_read(void *to, uint32_t size) {
    unsigned char *place = to;
    while (size > 0) {
        const uint32_t block[3] = {files[0], (uint32_t)(uintptr_t)place, size};
        const int32_t left = ask(READ, block);
        if (left < 0 || (uint32_t)left >= size) {
            return 0;
        }
        place += size - (uint32_t)left;
        size = (uint32_t)left;
    }
    return 1;
}

void kolam_write(const void *from, uint32_t size) {
    const unsigned char *place = from;
    while (size > 0) {
        const uint32_t block[3] = {files[1], (uint32_t)(uintptr_t)place, size};
        const int32_t left = ask(WRITE, block);
        if (left < 0 || (uint32_t)left >= size) {
            end(1);
        }
        place += size - (uint32_t)left;
        size = (uint32_t)left;
    }
}

void kolam_reset(void) {
    const volatile uint32_t *from = kolam_data_load;
    for (volatile uint32_t *to = kolam_data; to < kolam_data_end; ++to) {
        *to = *from++;
    }
    for (volatile uint32_t *to = kolam_bss; to < kolam_bss_end; ++to) {
        *to = 0;
    }
#if defined(__ARM_FP)
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* the FPU is off after a reset */
    __asm__ volatile("dsb\n isb");
#endif
    files[0] = open_file("/dev/stdin", 10, 1);
    files[1] = open_file("/dev/stdout", 11, 5);
    end((uint32_t)main());
}

void kolam_fault(void) {
    ask(WRITE_TEXT, "the processor stopped at a fault (stack too small, or no such memory)\n");
    end(99);
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    kolam_stack_top, (void *)kolam_reset, (void *)kolam_fault, (void *)kolam_fault,
    (void *)kolam_fault, (void *)kolam_fault, (void *)kolam_fault,
};
