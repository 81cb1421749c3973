/* Start-up of a Cortex-M: memory, FPU, then main. Its result goes to a debugger or QEMU. */
#include <stdint.h>

enum { WRITE_TEXT = 4, EXIT = 0x20 };

int main(void);
float rintf(float x);
double rint(double x);
void kolam_reset(void);
void kolam_fault(void);
extern uint32_t kolam_data_load[], kolam_data[], kolam_data_end[], kolam_bss[], kolam_bss_end[];
extern uint32_t kolam_stack_top[];

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
