"""exp, log, powers, sin, erf, tanh and their relatives as plain text: the same bits in every engine, vectors in a kernel.

The functions of one mathematical library differ in the last bit from those of another, and a loop that calls them stays
scalar. These are made of `+ - * /`, comparisons, and the bits of a float.

An error is in ulp, units in the last place of the true value: the largest that was measured on millions of points.
Neighbouring arguments may come out in the wrong order by as much. NaN gives NaN.

Sources: Sun's fdlibm, as in FreeBSD's msun (reductions, log, sin, cos), SLEEF by Shibata (exp), Cephes by Moshier (erf).
"""

import numpy as np

from nonconv.numerics.arithmetic import Lanes, select

ROUND = 1.5 * 2.0**52
"""x + ROUND is x rounded to an integer, which its last bits hold; minus ROUND it is that integer as a float.

It works for |x| < 2**51: doubles near 1.5 * 2**52 are one apart.
"""
ROUND_BITS = 0x4338000000000000
ONE_BITS, ROOT_HALF_BITS = 0x3FF0000000000000, 0x3FE6A09E00000000
"""The bits of 1 and of about sqrt(1/2)."""
FRACTION = 0x000FFFFFFFFFFFFF
"""Mask of the 52 bits of a double's fraction."""

# Cody-Waite: the leading parts end in zeros, so that their multiples are exact.
LN2_HIGH, LN2_LOW, LOG2_E = 6.93147180369123816490e-1, 1.90821492927058770002e-10, 1.44269504088896338700
HALF_PI_HIGH, HALF_PI_MIDDLE, HALF_PI_LOW = 1.57079632673412561417, 6.07710050630396597660e-11, 2.02226624879595063154e-21
TWO_OVER_PI = 6.36619772367581382433e-1

EXP_LEAST, EXP_MOST = -708.396418532264106224, 709.782712893383973096
"""Arguments between which exp is a finite, normal float."""
LEAST_NORMAL = 2.0**-1022
"""The least positive normal double."""


def bits(x: Lanes) -> Lanes:
    """Return the bits of a float as an int64."""
    return np.float64(x).view(np.int64)


def from_bits(b: Lanes) -> Lanes:
    """Return the float with these bits."""
    return np.int64(b).view(np.float64)


def excess(high: Lanes, low: Lanes) -> Lanes:
    """Return exp(r) - 1 for r = high - low, where |r| <= ln(2)/2 and low is tiny: r + r^2 p(r), p a polynomial (SLEEF).

    low is the rounding error of the reduction; it enters to first order.
    """
    r = high - low
    # In pairs (Estrin) rather than one after the other (Horner): a sixth faster, since less waits for less.
    r2 = r * r
    r4 = r2 * r2
    p = (2.51112930892876518610661e-08 * r + 2.75573911234900471893338e-07) + 2.08860621107283687536341e-09 * r2
    p = p * r4 + (
        (0.000198412698960509205564975 * r + 0.00138888888889774492207962)
        + (2.75572362911928827629423e-06 * r + 2.4801587159235472998791e-05) * r2
    )
    p = p * r4 + (
        (0.166666666666666851703837 * r + 0.5) + (0.00833333333331652721664984 * r + 0.0416666666666665047591422) * r2
    )
    return high + (r2 * p - low)


def exp(x: Lanes) -> Lanes:
    """Return exp(x), with an error of 0.9 ulp.

    It is infinite from 709.79 on, and 0 below -708.4, where the true value is below any normal float.
    """
    rounded = x * LOG2_E + ROUND
    k = rounded - ROUND
    y = 1.0 + excess(x - k * LN2_HIGH, k * LN2_LOW)
    # x = k ln 2 + r. The last bits of `rounded` are k: added to the exponent's bits of y they multiply it by 2^k.
    scaled = from_bits(bits(y) + (bits(rounded) << 52))
    # Of a NaN the magnitude: the sign it has in exp(-x) depends on who evaluates the minus.
    # The third branch also takes NaN, which fails every comparison.
    return select(x <= EXP_MOST, select(x >= EXP_LEAST, scaled, 0.0), np.abs(x) + np.inf)


def sigmoid(x: Lanes) -> Lanes:
    """Return 1 / (1 + exp(-x)), with an error of 2.4 ulp; 0 below -709.79."""
    return 1.0 / (1.0 + exp(-x))


def tanh(x: Lanes) -> Lanes:
    """Return tanh(x), with an error of 2.6 ulp; odd, and 0 keeps its sign.

    It is -u / (u + 2) for u = exp(-2 |x|) - 1, with the sign of x.
    """
    y = -2.0 * np.abs(x)
    y = select(y < -40.0, -40.0, y)  # tanh is 1 to the last bit there, and `power` stays a normal float
    rounded = y * LOG2_E + ROUND
    k = rounded - ROUND
    power = from_bits((bits(rounded) << 52) + ONE_BITS)
    # 2^k exp(r) - 1, as 2^k (exp(r) - 1) + (2^k - 1): near x = 0 no digits cancel.
    u = power * excess(y - k * LN2_HIGH, k * LN2_LOW) + (power - 1.0)
    return np.copysign(u / (u + 2.0), x)


def shifted_sine(quarters: int, x: Lanes) -> Lanes:
    """Return sin(x + quarters * pi/2); NaN for |x| > 2**48.

    x is reduced by a multiple of pi/2 in three parts (Cody and Waite), then a polynomial of fdlibm on [-pi/4, pi/4].
    """
    rounded = x * TWO_OVER_PI + ROUND
    k = rounded - ROUND
    high, middle = x - k * HALF_PI_HIGH, k * HALF_PI_MIDDLE
    r = high - middle
    # (high - r) - middle is what the subtraction rounded away, exactly.
    r = r - (k * HALF_PI_LOW - ((high - r) - middle))
    z = r * r
    w = z * z
    # One polynomial, with the coefficients of the sine or of the cosine: half the work of both.
    turns = bits(rounded) + quarters
    even = (turns & 1) == 0
    p = select(even, -2.50507602534068634195e-08, 2.08757232129817482790e-09) + z * select(
        even, 1.58969099521155010221e-10, -1.13596475577881948265e-11
    )
    p = p * w + (
        select(even, -1.98412698298579493134e-04, 2.48015872894767294178e-05)
        + z * select(even, 2.75573137070700676789e-06, -2.75573143513906633035e-07)
    )
    p = p * w + (
        select(even, -1.66666666666666324348e-01, 4.16666666666666019037e-02)
        + z * select(even, 8.33333333332248946124e-03, -1.38888888888741095749e-03)
    )
    y = select(even, r + r * (z * p), 1.0 - (0.5 * z - w * p))
    # After two quarter turns both functions change sign: the second bit of `turns` flips the sign bit.
    signed = from_bits(bits(y) ^ ((turns >> 1) << 63))
    return select(np.abs(x) <= 2.0**48, signed, np.nan)


def sin(x: Lanes) -> Lanes:
    """Return sin(x), with an error of 1.5 ulp for |x| up to 3e6.

    Beyond that it is as if x were wrong by up to an ulp; NaN above 2**48. sin(-0.0) is 0.0.
    """
    return shifted_sine(0, x)


def cos(x: Lanes) -> Lanes:
    """Return cos(x), with an error of 1.5 ulp for |x| up to 3e6.

    Beyond that it is as if x were wrong by up to an ulp; NaN above 2**48.
    """
    return shifted_sine(1, x)


def tan_near_0(x: Lanes) -> Lanes:
    """Return tan(x) for |x| <= pi/4, with an error of 1.6 ulp: the polynomials of fdlibm for sine and cosine, divided."""
    z = x * x
    w = z * z
    s = -2.50507602534068634195e-08 + z * 1.58969099521155010221e-10
    s = s * w + (-1.98412698298579493134e-04 + z * 2.75573137070700676789e-06)
    s = s * w + (-1.66666666666666324348e-01 + z * 8.33333333332248946124e-03)
    c = 2.08757232129817482790e-09 + z * -1.13596475577881948265e-11
    c = c * w + (2.48015872894767294178e-05 + z * -2.75573143513906633035e-07)
    c = c * w + (4.16666666666666019037e-02 + z * -1.38888888888741095749e-03)
    return (x + x * (z * s)) / (1.0 - (0.5 * z - w * c))


def corrected_log(x: Lanes, correction: Lanes) -> Lanes:
    """Return log(x) + correction, for x = 2**k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2).

    log(1 + f) is fdlibm's polynomial in s = f / (2 + f), as log(1 + f) = 2 artanh(s).
    """
    tiny = x < LEAST_NORMAL  # a subnormal has no exponent to read: scale it up first
    b = bits(select(tiny, x * 2.0**54, x)) + (ONE_BITS - ROOT_HALF_BITS)
    # k as a float without a conversion from integers: put into the last bits of ROUND, then ROUND and the bias taken off.
    k = from_bits((b >> 52) + ROUND_BITS) - select(tiny, ROUND + 1077.0, ROUND + 1023.0)
    f = from_bits((b & FRACTION) + ROOT_HALF_BITS) - 1.0
    s = f / (2.0 + f)
    z = s * s
    # One term after another (Horner), where fdlibm splits the sum into even and odd powers.
    p = 1.479819860511658591e-01
    p = p * z + 1.531383769920937332e-01
    p = p * z + 1.818357216161805012e-01
    p = p * z + 2.222219843214978396e-01
    p = p * z + 2.857142874366239149e-01
    p = p * z + 3.999999999940941908e-01
    p = p * z + 6.666666666666735130e-01
    half = 0.5 * f * f
    y = k * LN2_HIGH - ((half - (s * (half + z * p) + (k * LN2_LOW + correction))) - f)
    return select(x > 0.0, select(x < np.inf, y, x), select(x == 0.0, -np.inf, np.nan))


def log(x: Lanes) -> Lanes:
    """Return log(x), with an error of 0.85 ulp, also for subnormal numbers; -inf at 0, NaN below."""
    return corrected_log(x, 0.0)


def log1p(x: Lanes) -> Lanes:
    """Return log(1 + x), with an error of 0.85 ulp for x > -1; -inf at -1, NaN below. log1p(-0.0) is 0.0."""
    y = 1.0 + x
    # What the addition rounded away, which log(y) is corrected by: log(y + lost) = log(y) + lost / y to first order.
    lost = select(x < 1.0, x - (y - 1.0), 1.0 - (y - x))
    return corrected_log(y, lost / y)


def erf_numerator(z: Lanes) -> Lanes:
    """Return the numerator of erf(a) / a for a <= 1, at z = a^2 (Cephes)."""
    p = 9.60497373987051638749e0
    p = p * z + 9.00260197203842689217e1
    p = p * z + 2.23200534594684319226e3
    p = p * z + 7.00332514112805075473e3
    return p * z + 5.55923013010394962768e4


def erf_denominator(z: Lanes) -> Lanes:
    """Return the denominator of erf(a) / a for a <= 1, at z = a^2 (Cephes)."""
    p = z + 3.35617141647503099647e1
    p = p * z + 5.21357949780152679795e2
    p = p * z + 4.59432382970980127987e3
    p = p * z + 2.26290000613890934246e4
    return p * z + 4.92673942608635921086e4


def erfc_numerator(a: Lanes) -> Lanes:
    """Return the numerator of erfc(a) exp(a^2) for a > 1 (Cephes)."""
    p = 2.46196981473530512524e-10
    p = p * a + 5.64189564831068821977e-1
    p = p * a + 7.46321056442269912687e0
    p = p * a + 4.86371970985681366614e1
    p = p * a + 1.96520832956077098242e2
    p = p * a + 5.26445194995477358631e2
    p = p * a + 9.34528527171957607540e2
    p = p * a + 1.02755188689515710272e3
    return p * a + 5.57535335369399327526e2


def erfc_denominator(a: Lanes) -> Lanes:
    """Return the denominator of erfc(a) exp(a^2) for a > 1 (Cephes)."""
    p = a + 1.32281951154744992508e1
    p = p * a + 8.67072140885989742329e1
    p = p * a + 3.54937778887819891062e2
    p = p * a + 9.75708501743205489753e2
    p = p * a + 1.82390916687909736289e3
    p = p * a + 2.24633760818710981792e3
    p = p * a + 1.65666309194161350182e3
    return p * a + 5.57535340817727675546e2


def erf(x: Lanes) -> Lanes:
    """Return erf(x), with an error of 3 ulp; odd, and 0 keeps its sign.

    A rational function of x^2 up to |x| = 1, 1 - erfc(|x|) beyond (Cephes).
    """
    a = np.abs(x)
    a = select(a > 6.0, 6.0, a)  # where erf is 1
    z = a * a
    near = a <= 1.0
    # One division for both branches, since both are evaluated and a division is the slowest operation here.
    y = select(near, a * erf_numerator(z), exp(-z) * erfc_numerator(a)) / select(near, erf_denominator(z), erfc_denominator(a))
    return np.copysign(select(near, y, 1.0 - y), x)


def tan(x: Lanes) -> Lanes:
    """Return tan(x), with an error of 3 ulp for |x| up to 3e6; NaN above 2**48. tan(-0.0) is 0.0."""
    return shifted_sine(0, x) / shifted_sine(1, x)


def expm1(x: Lanes) -> Lanes:
    """Return exp(x) - 1, with an error of 1.7 ulp; infinite from 709.79 on. expm1(-0.0) is 0.0."""
    y = select(x > 40.0, 40.0, select(x < -40.0, -40.0, x))
    rounded = y * LOG2_E + ROUND
    k = rounded - ROUND
    power = from_bits((bits(rounded) << 52) + ONE_BITS)
    # As in tanh: near x = 0 no digits cancel. Beyond 40 the 1 is less than a hundredth of an ulp.
    return select(x > 40.0, exp(x), power * excess(y - k * LN2_HIGH, k * LN2_LOW) + (power - 1.0))


def sinh(x: Lanes) -> Lanes:
    """Return sinh(x), with an error of 2.6 ulp; odd, and 0 keeps its sign. Infinite from 710.48 on."""
    a = np.abs(x)
    u = expm1(select(a > 40.0, 40.0, a))
    half = exp(0.5 * a)
    return np.copysign(select(a > 40.0, (0.5 * half) * half, 0.5 * (u + u / (u + 1.0))), x)


def cosh(x: Lanes) -> Lanes:
    """Return cosh(x), with an error of 2.6 ulp; even. Infinite from 710.48 on."""
    a = np.abs(x)
    near, half = exp(select(a > 40.0, 40.0, a)), exp(0.5 * a)
    return select(a > 40.0, (0.5 * half) * half, 0.5 * (near + 1.0 / near))


def atan(x: Lanes) -> Lanes:
    """Return atan(x), with an error of 0.9 ulp; odd, and 0 keeps its sign (Cephes).

    Beyond tan(3 pi / 8) it is pi/2 - atan(1/|x|), and from 0.66 on pi/4 + atan((|x| - 1) / (|x| + 1)).
    """
    a = np.abs(x)
    far, middle = a > 2.41421356237309504880, a > 0.66
    # One division for all three, since all are evaluated.
    t = select(far, -1.0, select(middle, a - 1.0, a)) / select(far, a, select(middle, a + 1.0, 1.0))
    z = t * t
    p = -8.750608600031904122785e-1
    p = p * z - 1.615753718733365076637e1
    p = p * z - 7.500855792314704667340e1
    p = p * z - 1.228866684490136173410e2
    p = p * z - 6.485021904942025371773e1
    q = z + 2.485846490142306297962e1
    q = q * z + 1.650270098316988542046e2
    q = q * z + 4.328810604912902668951e2
    q = q * z + 4.853903996359136964868e2
    q = q * z + 1.945506571482613964425e2
    # What pi/2 and pi/4 as floats lack.
    lost = select(far, 6.123233995736765886130e-17, select(middle, 3.061616997868382943065e-17, 0.0))
    y = select(far, 0.5 * np.pi, select(middle, 0.25 * np.pi, 0.0)) + (t + (t * (z * p / q) + lost))
    return np.copysign(y, x)


SPLITTER = 134217729.0
"""2**27 + 1: its multiples round a float to its leading 26 bits."""


def lost_by_product(a: Lanes, b: Lanes, product: Lanes) -> Lanes:
    """Return a * b - product exactly, where product is a * b as rounded (Dekker); |a| and |b| below 1e300."""
    shifted_a, shifted_b = SPLITTER * a, SPLITTER * b
    high_a, high_b = shifted_a - (shifted_a - a), shifted_b - (shifted_b - b)
    low_a, low_b = a - high_a, b - high_b
    return ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b


def power(x: Lanes, y: Lanes) -> Lanes:
    """Return x to the power y, with an error of 1.1 ulp; 0 where that is below any normal float.

    Of a negative x it is NaN unless y is a whole number. Anything to the power 0 is 1.
    """
    # exp(y log |x|), the logarithm in two floats: an error of it is multiplied by up to 700.
    a = np.abs(x)
    tiny = a < LEAST_NORMAL
    b = bits(select(tiny, a * 2.0**54, a)) + (ONE_BITS - ROOT_HALF_BITS)
    k = from_bits((b >> 52) + ROUND_BITS) - select(tiny, ROUND + 1077.0, ROUND + 1023.0)
    f = from_bits((b & FRACTION) + ROOT_HALF_BITS) - 1.0
    # s + s_low = f / (2 + f), and log(1 + f) = 2 s + 2/3 s^3 + 2/5 s^5 + ...
    t = 2.0 + f
    s = f / t
    product = s * t
    s_low = ((f - product) - lost_by_product(s, t, product) - s * (f - (t - 2.0))) / t
    z = s * s
    z_low = lost_by_product(s, s, z) + 2.0 * s * s_low
    p = 2.0 / 25.0
    p = p * z + 2.0 / 23.0
    p = p * z + 2.0 / 21.0
    p = p * z + 2.0 / 19.0
    p = p * z + 2.0 / 17.0
    p = p * z + 2.0 / 15.0
    p = p * z + 2.0 / 13.0
    p = p * z + 2.0 / 11.0
    p = p * z + 2.0 / 9.0
    p = p * z + 2.0 / 7.0
    p = p * z + 2.0 / 5.0
    # c + c_low = 2/3 z + z^2 p, a correction to the factor 2 of s.
    c = z * 0.66666666666666663
    c_low = lost_by_product(z, 0.66666666666666663, c) + z * 3.7007434154171883e-17 + 0.66666666666666663 * z_low + z * z * p
    third = s * c
    third_low = lost_by_product(s, c, third) + s * c_low + s_low * c
    # k ln 2 + 2 s + third, largest first; what each sum rounds away is kept.
    first = k * LN2_HIGH
    second = first + 2.0 * s
    lost = select(np.abs(first) >= np.abs(2.0 * s), (first - second) + 2.0 * s, (2.0 * s - second) + first)
    high = second + third
    low = ((second - high) + third) + (lost + (2.0 * s_low + third_low + k * LN2_LOW))
    # Beyond 2**70 the result is 0, 1 or infinite.
    bounded = select(y > 2.0**70, 2.0**70, select(y < -(2.0**70), -(2.0**70), y))
    q = bounded * high
    q_low = lost_by_product(bounded, high, q) + bounded * low
    rounded = q * LOG2_E + ROUND
    n = rounded - ROUND
    e = 1.0 + excess(q - n * LN2_HIGH, n * LN2_LOW - q_low)
    scaled = from_bits(bits(e) + (bits(rounded) << 52))
    r = select(q <= EXP_MOST, select(q >= EXP_LEAST, scaled, 0.0), np.abs(q) + np.inf)
    # Of 0 and infinity the logarithm is no number here.
    r = select(a == 0.0, select(y > 0.0, 0.0, select(y < 0.0, np.inf, y)), r)
    r = select(a == np.inf, select(y > 0.0, np.inf, select(y < 0.0, 0.0, y)), r)
    whole = np.floor(y) == y
    odd = whole & (np.abs(y) < 2.0**53) & (2.0 * np.floor(0.5 * y) != y)
    r = select(odd, np.copysign(r, x), select(x < 0.0, select(whole, r, np.nan), r))
    return select(y == 0.0, 1.0, select(np.isnan(x), x, r))


def softplus(x: Lanes) -> Lanes:
    """Return log(1 + exp(x)), with an error of 1.6 ulp; it neither overflows nor vanishes before it must."""
    return np.maximum(x, 0.0) + log1p(exp(-np.abs(x)))


def sign(x: Lanes) -> Lanes:
    """Return 1 above 0, -1 below it, and 0 at 0."""
    return select(x > 0.0, 1.0, select(x < 0.0, -1.0, x))


def heaviside(x: Lanes) -> Lanes:
    """Return 1 above 0, 0 below it, and 1/2 at 0."""
    return select(x > 0.0, 1.0, select(x < 0.0, 0.0, x + 0.5))


def compare(u: Lanes, v: Lanes, less: Lanes, more: Lanes) -> Lanes:
    """Return `less` where u < v, `more` where u > v, and their mean where they are equal."""
    # u + v is NaN where nothing of this holds.
    return select(u < v, less, select(u > v, more, select(u == v, 0.5 * (less + more), u + v)))


def mod(x: Lanes, y: Lanes) -> Lanes:
    """Return x - y floor(x / y): what x has more than a multiple of y."""
    return x - y * np.floor(x / y)
