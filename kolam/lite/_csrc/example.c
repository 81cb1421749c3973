/* Runs @NAME@ once on made-up inputs and compares the first numbers of every output with what
   XLA gave for the same inputs. Ends with 0 if they agree. */
#include <stdint.h>
@STDIO@#include "@NAME@.h"

extern const unsigned char @NAME@_weights[];

@ARRAYS@

static uint32_t state = 1;

/* a made-up number: 32 bits of a linear congruential generator */
static uint32_t drawn(void) {
    state = state * 1664525u + 1013904223u;
    return state;
}

static int differs(float found, float expected, float most) {
    const float apart = found > expected ? found - expected : expected - found;
    return !(apart <= 1e-4f * most);
}

int main(void);
int main(void) {
    int wrong = 0;
@FILL@
    @NAME@_run(inputs, outputs, @NAME@_weights, @SCRATCH@);
@COMPARE@
    return wrong != 0;
}
