/*
 * Trigonometry in degrees, and hyperbolic functions (manual, 9.3). In degrees the results are exact where they can be:
 * sines and cosines are divided by what the library gives for 30 and 60 degrees, as Postgres does it.
 */
#include <math.h>

#include "pipeline/sql/implementation.h"

static const double radians_per_degree = 0.0174532925199432957692;

/* Asked at run time: the compiler's own library must not answer. */
static double library_sin(double x)
{
    volatile double v = x;
    return sin(v);
}

static double library_cos(double x)
{
    volatile double v = x;
    return cos(v);
}

static double library_asin(double x)
{
    volatile double v = x;
    return asin(v);
}

static double library_acos(double x)
{
    volatile double v = x;
    return acos(v);
}

static double library_atan(double x)
{
    volatile double v = x;
    return atan(v);
}

/* ---- the first quadrant --------------------------------------------------------------------------------------------
 */

static double sin_to_30(double x)
{
    return library_sin(x * radians_per_degree) / library_sin(30 * radians_per_degree) / 2;
}

static double cos_to_60(double x)
{
    return 1 - (1 - library_cos(x * radians_per_degree)) / (1 - library_cos(60 * radians_per_degree)) / 2;
}

static double sin_to_90(double x)
{
    return x <= 30 ? sin_to_30(x) : cos_to_60(90 - x);
}

static double cos_to_90(double x)
{
    return x <= 60 ? cos_to_60(x) : sin_to_30(90 - x);
}

static double asin_from_0(double x)
{
    if (x <= 0.5)
        return library_asin(x) / library_asin(0.5) * 30;
    return 90 - library_acos(x) / library_acos(0.5) * 60;
}

static double acos_from_0(double x)
{
    if (x <= 0.5)
        return 90 - library_asin(x) / library_asin(0.5) * 30;
    return library_acos(x) / library_acos(0.5) * 60;
}

/* ---- every angle ---------------------------------------------------------------------------------------------------
 */

/* The angle in the first quadrant, and the signs that sine and cosine have in the angle's own. */
static double to_first_quadrant(double x, double *sin_sign, double *cos_sign)
{
    *sin_sign = *cos_sign = 1;
    x = fmod(x, 360);
    if (x < 0) {
        x = -x;
        *sin_sign = -*sin_sign;
    }
    if (x > 180) {
        x = 360 - x;
        *sin_sign = -*sin_sign;
    }
    if (x > 90) {
        x = 180 - x;
        *cos_sign = -1;
    }
    return x;
}

/* Without a minus zero. */
static double plain_zero(double x)
{
    return x == 0 ? 0 : x;
}

static double of_degrees(enum trigonometry which, double x)
{
    double sin_sign, cos_sign, q = to_first_quadrant(x, &sin_sign, &cos_sign);
    if (which == TRIG_SIND)
        return sin_sign * sin_to_90(q);
    if (which == TRIG_COSD)
        return cos_sign * cos_to_90(q);
    double sine = sin_to_90(q), cosine = cos_to_90(q), sine_45 = sin_to_90(45), cosine_45 = cos_to_90(45);
    if (which == TRIG_TAND)
        return plain_zero(sin_sign * cos_sign * (sine / cosine / (sine_45 / cosine_45)));
    return plain_zero(sin_sign * cos_sign * (cosine / sine / (cosine_45 / sine_45)));
}

static bool out_of_range(struct error *err)
{
    return function_fail(err, "22003", "input is out of range");
}

/* variant: enum trigonometry */
bool fn_trigonometry(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    (void)ev;
    double x = args[0].d, r = NAN;
    enum trigonometry which = (enum trigonometry)e->variant;
    switch (which) {
    case TRIG_COT:
        if (isinf(x))
            return out_of_range(err);
        r = 1 / tan(x);
        break;
    case TRIG_SINH:
        r = sinh(x);
        break;
    case TRIG_COSH:
        r = cosh(x);
        break;
    case TRIG_TANH:
        r = tanh(x);
        break;
    case TRIG_ASINH:
        r = asinh(x);
        break;
    case TRIG_ACOSH:
        if (x < 1)
            return out_of_range(err);
        r = acosh(x);
        break;
    case TRIG_ATANH:
        if (x < -1 || x > 1)
            return out_of_range(err);
        r = atanh(x);
        break;
    case TRIG_SIND:
    case TRIG_COSD:
    case TRIG_TAND:
    case TRIG_COTD:
        if (isinf(x))
            return out_of_range(err);
        r = isnan(x) ? x : of_degrees(which, x);
        break;
    case TRIG_ASIND:
    case TRIG_ACOSD:
        if (x < -1 || x > 1)
            return out_of_range(err);
        if (which == TRIG_ASIND)
            r = x >= 0 ? asin_from_0(x) : -asin_from_0(-x);
        else
            r = x >= 0 ? acos_from_0(x) : 90 + asin_from_0(-x);
        break;
    case TRIG_ATAND:
        r = library_atan(x) / library_atan(1) * 45;
        break;
    }
    *out = value_double(isnan(x) ? x : r);
    return true;
}

bool fn_atan2d(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e, (void)err;
    *out = value_double(atan2(args[0].d, args[1].d) / library_atan(1) * 45);
    return true;
}
