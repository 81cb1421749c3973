
/* The nearest whole number, the even one of two: the last bits are rounded away and come back. */
float rintf(float x) {
    volatile float moved = x < 0 ? x - 8388608.0f : x + 8388608.0f;
    const float whole = x < 0 ? moved + 8388608.0f : moved - 8388608.0f;
    return x == 0 || !(x > -8388608.0f && x < 8388608.0f) ? x : whole == 0 && x < 0 ? -0.0f : whole;
}

double rint(double x) {
    volatile double moved = x < 0 ? x - 4503599627370496.0 : x + 4503599627370496.0;
    const double whole = x < 0 ? moved + 4503599627370496.0 : moved - 4503599627370496.0;
    return x == 0 || !(x > -4503599627370496.0 && x < 4503599627370496.0) ? x
        : whole == 0 && x < 0 ? -0.0 : whole;
}
