// Kernels of small networks, forward and backward: float32, rows of numbers, no libc.
//
// Built for WebAssembly with SIMD. The same functions in JavaScript are in src/engine/kernels_js.ts.
//
// A matrix (rows, width) lies row by row; weights of a linear are (out, in), as torch has them. A
// pointer of 0 where it says "or 0" stands for none. Everything called d... is a gradient, and what
// a backward kernel finds is added to it: a value that is used twice gets the sum of both.

#define KERNEL(name) __attribute__((export_name(#name))) name

typedef float f4 __attribute__((vector_size(16), aligned(4)));
typedef unsigned int u32;

static inline f4 four(float x) { return (f4){x, x, x, x}; }

static inline int least(int a, int b) { return a < b ? a : b; }

// -- functions of one number: written so that the compiler takes four at a time, no branches ------

static inline float from_bits(int bits) { return __builtin_bit_cast(float, bits); }

// exp(x) = 2^n exp(r) with |r| <= log(2) / 2, and a polynomial for exp(r) (Cephes expf).
static inline float exp_(float x) {
    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    float n = __builtin_rintf(x * 1.44269504f);
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;  // log(2) in two parts: n * the first is exact
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return (p * r * r + r + 1.0f) * from_bits(((int)n + 127) << 23);
}

// tanh and erf: x times a fraction of two polynomials of x^2, where they are not yet 1 (as in Eigen).
static inline float tanh_(float x) {
    x = x < -7.9053111f ? -7.9053111f : x > 7.9053111f ? 7.9053111f : x;
    float square = x * x, p = -2.76076847742355e-16f, q = 1.19825839466702e-6f;
    p = p * square + 2.00018790482477e-13f;
    p = p * square - 8.60467152213735e-11f;
    p = p * square + 5.12229709037114e-8f;
    p = p * square + 1.48572235717979e-5f;
    p = p * square + 6.37261928875436e-4f;
    p = p * square + 4.89352455891786e-3f;
    q = q * square + 1.18534705686654e-4f;
    q = q * square + 2.26843463243900e-3f;
    q = q * square + 4.89352518554385e-3f;
    return x * p / q;
}

static inline float sigmoid_(float x) { return 1.0f / (1.0f + exp_(-x)); }

static inline float erf_(float x) {
    x = x < -4.0f ? -4.0f : x > 4.0f ? 4.0f : x;
    float square = x * x, p = -2.72614225801306e-10f, q = -1.45660718464996e-5f;
    p = p * square + 2.77068142495902e-8f;
    p = p * square - 2.10102402082508e-6f;
    p = p * square - 5.69250639462346e-5f;
    p = p * square - 7.34990630326855e-4f;
    p = p * square - 2.95459980854025e-3f;
    p = p * square - 1.60960333262415e-2f;
    q = q * square - 2.13374055278905e-4f;
    q = q * square - 1.68282697438203e-3f;
    q = q * square - 7.37332916720468e-3f;
    q = q * square - 1.42647390514189e-2f;
    return x * p / q;
}

// Phi(x), the share of a normal distribution below x: gelu is x Phi(x), torch's exact form.
static inline float phi_(float x) { return 0.5f * (1.0f + erf_(x * 0.70710678f)); }

// -- linear: one product of matrices, in tiles that stay in registers -----------------------------

enum { TILE_ROWS = 4, TILE_COLUMNS = 8, DEPTH = 256 };

static float panel[DEPTH * TILE_COLUMNS];  // TILE_COLUMNS columns of b, side by side for the tiles

static void pack(const float *b, int b_row, int b_column, int depth, int columns) {
    for (int p = 0; p < depth; p++)
        for (int j = 0; j < TILE_COLUMNS; j++)
            panel[p * TILE_COLUMNS + j] = j < columns ? b[p * b_row + j * b_column] : 0.0f;
}

// c (rows, columns) += a (rows, depth) panel (depth, columns), all sums in registers.
static void tile(const float *a, int a_row, int a_column, float *c, int c_row, int rows, int columns,
                 int depth) {
    // With fewer rows than the tile has, the last one is computed again, and not stored.
    const float *a0 = a, *a1 = a + least(1, rows - 1) * a_row, *a2 = a + least(2, rows - 1) * a_row,
                *a3 = a + least(3, rows - 1) * a_row;
    f4 sum[TILE_ROWS][2] = {0};
    for (int p = 0, at = 0; p < depth; p++, at += a_column) {
        f4 left = *(const f4 *)(panel + p * TILE_COLUMNS);
        f4 right = *(const f4 *)(panel + p * TILE_COLUMNS + 4);
        f4 v0 = four(a0[at]), v1 = four(a1[at]), v2 = four(a2[at]), v3 = four(a3[at]);
        sum[0][0] += v0 * left, sum[0][1] += v0 * right;
        sum[1][0] += v1 * left, sum[1][1] += v1 * right;
        sum[2][0] += v2 * left, sum[2][1] += v2 * right;
        sum[3][0] += v3 * left, sum[3][1] += v3 * right;
    }
    if (rows == TILE_ROWS && columns == TILE_COLUMNS) {
        for (int i = 0; i < TILE_ROWS; i++) {
            f4 *out = (f4 *)(c + i * c_row);
            out[0] += sum[i][0], out[1] += sum[i][1];
        }
        return;
    }
    const float *sums = (const float *)sum;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) c[i * c_row + j] += sums[i * TILE_COLUMNS + j];
}

// c (m, n) += a (m, k) b (k, n). Element (i, j) of a is a[i * a_row + j * a_column], of b alike: a
// transposed matrix is one whose two strides have changed places.
static void multiply(const float *a, int a_row, int a_column, const float *b, int b_row,
                     int b_column, float *c, int m, int n, int k) {
    for (int from = 0; from < k; from += DEPTH) {
        int depth = least(k - from, DEPTH);
        for (int j = 0; j < n; j += TILE_COLUMNS) {
            int columns = least(n - j, TILE_COLUMNS);
            pack(b + from * b_row + j * b_column, b_row, b_column, depth, columns);
            for (int i = 0; i < m; i += TILE_ROWS)
                tile(a + i * a_row + from * a_column, a_row, a_column, c + i * n + j, n,
                     least(m - i, TILE_ROWS), columns, depth);
        }
    }
}

// y (rows, out) = x (rows, in) w^T + bias; w (out, in), bias (out) or 0
void KERNEL(linear)(const float *x, const float *w, const float *bias, float *y, int rows, int in,
                    int out) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < out; j++) y[i * out + j] = bias ? bias[j] : 0.0f;
    multiply(x, in, 1, w, 1, in, y, rows, out, in);
}

// dx or 0, dbias or 0
void KERNEL(linear_backward)(const float *x, const float *w, const float *dy, float *dx, float *dw,
                             float *dbias, int rows, int in, int out) {
    if (dx) multiply(dy, out, 1, w, in, 1, dx, rows, in, out);
    multiply(dy, 1, out, x, in, 1, dw, out, in, rows);
    if (dbias)
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < out; j++) dbias[j] += dy[i * out + j];
}

// -- rows and single numbers ----------------------------------------------------------------------

// y[i] = table[ids[i]]: an embedding
void KERNEL(gather)(const float *table, const int *ids, float *y, int rows, int width) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < width; j++) y[i * width + j] = table[ids[i] * width + j];
}

void KERNEL(gather_backward)(const int *ids, const float *dy, float *dtable, int rows, int width) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < width; j++) dtable[ids[i] * width + j] += dy[i * width + j];
}

void KERNEL(add)(const float *a, const float *b, float *y, int n) {
    for (int i = 0; i < n; i++) y[i] = a[i] + b[i];
}

void KERNEL(accumulate)(const float *x, float *y, int n) {
    for (int i = 0; i < n; i++) y[i] += x[i];
}

void KERNEL(tanh)(const float *x, float *y, int n) {
    for (int i = 0; i < n; i++) y[i] = tanh_(x[i]);
}

void KERNEL(tanh_backward)(const float *y, const float *dy, float *dx, int n) {
    for (int i = 0; i < n; i++) dx[i] += dy[i] * (1.0f - y[i] * y[i]);
}

void KERNEL(relu)(const float *x, float *y, int n) {
    for (int i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : 0.0f;
}

void KERNEL(relu_backward)(const float *y, const float *dy, float *dx, int n) {
    for (int i = 0; i < n; i++) dx[i] += y[i] > 0 ? dy[i] : 0.0f;
}

void KERNEL(gelu)(const float *x, float *y, int n) {
    for (int i = 0; i < n; i++) y[i] = x[i] * phi_(x[i]);
}

void KERNEL(gelu_backward)(const float *x, const float *dy, float *dx, int n) {
    for (int i = 0; i < n; i++) {
        float density = 0.39894228f * exp_(-0.5f * x[i] * x[i]);
        dx[i] += dy[i] * (phi_(x[i]) + x[i] * density);
    }
}

// A random number of 32 bits for each place: the same mask on the way back, nothing is stored.
static inline float kept(u32 place, u32 seed, u32 dropped, float scale) {
    u32 bits = place * 0x9e3779b9u + seed;
    bits = (bits ^ (bits >> 16)) * 0x7feb352du;
    bits = (bits ^ (bits >> 15)) * 0x846ca68bu;
    return (bits ^ (bits >> 16)) >= dropped ? scale : 0.0f;
}

// Sets dropped / 2^32 of the numbers to 0. Adds to y, which makes it its own backward kernel.
void KERNEL(dropout)(const float *x, float *y, int n, u32 dropped, float scale, u32 seed) {
    for (int i = 0; i < n; i++) y[i] += x[i] * kept(i, seed, dropped, scale);
}

// -- layernorm ------------------------------------------------------------------------------------

static inline float sum_of(const float *x, int n) {
#pragma clang fp reassociate(on)
    float sum = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    return sum;
}

static inline float dot(const float *a, const float *b, int n) {
#pragma clang fp reassociate(on)
    float sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

// 1 / the deviation of a row around its mean
static float inverse_deviation(const float *x, float mean, int width) {
#pragma clang fp reassociate(on)
    float sum = 0;
    for (int j = 0; j < width; j++) sum += (x[j] - mean) * (x[j] - mean);
    return 1.0f / __builtin_sqrtf(sum / width + 1e-5f);
}

void KERNEL(layernorm)(const float *x, const float *gain, const float *bias, float *y, int rows,
                       int width) {
    for (int i = 0; i < rows; i++, x += width, y += width) {
        float mean = sum_of(x, width) / width, scale = inverse_deviation(x, mean, width);
        for (int j = 0; j < width; j++) y[j] = (x[j] - mean) * scale * gain[j] + bias[j];
    }
}

void KERNEL(layernorm_backward)(const float *x, const float *gain, const float *dy, float *dx,
                                float *dgain, float *dbias, int rows, int width) {
#pragma clang fp reassociate(on)
    for (int i = 0; i < rows; i++, x += width, dy += width, dx += width) {
        float mean = sum_of(x, width) / width, scale = inverse_deviation(x, mean, width);
        float first = 0, second = 0;  // the means of dn, and of dn * n; n is the normalised x
        for (int j = 0; j < width; j++) {
            float n = (x[j] - mean) * scale, dn = dy[j] * gain[j];
            first += dn, second += dn * n;
            dgain[j] += dy[j] * n, dbias[j] += dy[j];
        }
        first /= width, second /= width;
        for (int j = 0; j < width; j++) {
            float n = (x[j] - mean) * scale;
            dx[j] += scale * (dy[j] * gain[j] - first - n * second);
        }
    }
}

// -- softmax and the loss -------------------------------------------------------------------------

static float largest(const float *x, int n) {
    float most = x[0];
    for (int i = 1; i < n; i++) most = x[i] > most ? x[i] : most;
    return most;
}

static void softmax_row(const float *x, float *y, int width) {
    float most = largest(x, width);
    for (int j = 0; j < width; j++) y[j] = exp_(x[j] - most);
    float scale = 1.0f / sum_of(y, width);
    for (int j = 0; j < width; j++) y[j] *= scale;
}

void KERNEL(softmax)(const float *x, float *y, int rows, int width) {
    for (int i = 0; i < rows; i++) softmax_row(x + i * width, y + i * width, width);
}

// log(x) of a positive number: its exponent of 2, and a series of the odd powers of (m - 1) / (m + 1).
static double log_(double x) {
    long long bits = __builtin_bit_cast(long long, x);
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffffLL) | 0x3ff0000000000000LL;
    double m = __builtin_bit_cast(double, bits);  // 1 <= m < 2
    if (m > 1.4142135623730951) m *= 0.5, exponent++;
    double z = (m - 1) / (m + 1), square = z * z, sum = 0;
    for (int power = 21; power > 0; power -= 2) sum = sum * square + 1.0 / power;
    return 2 * z * sum + exponent * 0.6931471805599453;
}

// y = log softmax(x), in nats
void KERNEL(log_softmax)(const float *x, float *y, int rows, int width) {
    for (int i = 0; i < rows; i++, x += width, y += width) {
        float most = largest(x, width), sum = 0;
        for (int j = 0; j < width; j++) sum += exp_(x[j] - most);
        float shift = most + (float)log_(sum);
        for (int j = 0; j < width; j++) y[j] = x[j] - shift;
    }
}

// The sum of -log softmax(logits)[target], nats; a target of -1 does not count. dlogits or 0: its
// gradient times scale. p (width): room for the probabilities of a row.
double KERNEL(cross_entropy)(const float *logits, const int *targets, float *dlogits, float *p,
                             int rows, int width, float scale) {
    double loss = 0;
    for (int i = 0; i < rows; i++) {
        if (targets[i] < 0) continue;
        const float *x = logits + i * width;
        float most = largest(x, width);
        for (int j = 0; j < width; j++) p[j] = exp_(x[j] - most);
        float sum = sum_of(p, width);
        loss += log_(sum) + most - x[targets[i]];
        if (!dlogits) continue;
        float *dx = dlogits + i * width;
        for (int j = 0; j < width; j++) dx[j] += p[j] / sum * scale;
        dx[targets[i]] -= scale;
    }
    return loss;
}

// -- attention ------------------------------------------------------------------------------------

// y = the mean of `count` values, weighted by softmax(q key / sqrt(size)); w (count) gets the weights
static void look(const float *q, const float *keys, const float *values, int stride, int count,
                 float *w, float *y, int size) {
    float scale = 1.0f / __builtin_sqrtf(size);
    for (int s = 0; s < count; s++) w[s] = dot(q, keys + s * stride, size) * scale;
    softmax_row(w, w, count);
    for (int j = 0; j < size; j++) y[j] = 0;
    for (int s = 0; s < count; s++)
        for (int j = 0; j < size; j++) y[j] += w[s] * values[s * stride + j];
}

// Whole lines: qkv (lines, T, 3, heads, size) -> y (lines, T, heads, size); a position looks at
// itself and those before. w (lines, heads, T, T) keeps the weights for the way back.
void KERNEL(attention)(const float *qkv, float *w, float *y, int lines, int T, int heads, int size) {
    int C = heads * size;
    for (int line = 0; line < lines; line++, qkv += T * 3 * C, y += T * C)
        for (int head = 0; head < heads; head++)
            for (int t = 0; t < T; t++, w += T) {
                const float *q = qkv + t * 3 * C + head * size;
                look(q, qkv + C + head * size, qkv + 2 * C + head * size, 3 * C, t + 1, w,
                     y + t * C + head * size, size);
            }
}

void KERNEL(attention_backward)(const float *qkv, const float *w, const float *y, const float *dy,
                                float *dqkv, int lines, int T, int heads, int size) {
    int C = heads * size;
    float scale = 1.0f / __builtin_sqrtf(size);
    for (int line = 0; line < lines; line++, qkv += T * 3 * C, dqkv += T * 3 * C)
        for (int head = 0; head < heads; head++)
            for (int t = 0; t < T; t++, w += T) {
                int here = t * 3 * C + head * size, at = (line * T + t) * C + head * size;
                const float *q = qkv + here, *d = dy + at;
                float mean = dot(d, y + at, size);  // of the weights' gradients, by the weights
                for (int s = 0; s <= t; s++) {
                    int there = s * 3 * C + head * size;
                    const float *key = qkv + there + C, *value = key + C;
                    float *dkey = dqkv + there + C, *dvalue = dkey + C, *dq = dqkv + here;
                    float dscore = w[s] * (dot(d, value, size) - mean) * scale;
                    for (int j = 0; j < size; j++) {
                        dvalue[j] += w[s] * d[j];
                        dq[j] += dscore * key[j];
                        dkey[j] += dscore * q[j];
                    }
                }
            }
}

// One new input of each line: qkv (lines, 3, heads, size); cache (lines, past + 1, stride), where
// this block's keys and values begin at `offset` of a position. The new ones are written there, at
// the last position. w (past + 1): room for weights
void KERNEL(attend)(const float *qkv, float *cache, float *w, float *y, int lines, int past,
                    int stride, int offset, int heads, int size) {
    int C = heads * size;
    for (int line = 0; line < lines; line++, qkv += 3 * C, y += C) {
        float *keys = cache + line * (past + 1) * stride + offset;
        for (int j = 0; j < 2 * C; j++) keys[past * stride + j] = qkv[C + j];
        for (int at = 0; at < C; at += size)
            look(qkv + at, keys + at, keys + C + at, stride, past + 1, w, y + at, size);
    }
}

// -- cells with a state (makemore/models/gru.py, lstm.py), a gate, a mean ---------------------------

// x and h are what linears make of a symbol and of the state, (rows, 3 width): reset, update, new
void KERNEL(gru_cell)(const float *x, const float *h, const float *before, float *after, int rows,
                      int width) {
    for (int i = 0; i < rows; i++, x += 3 * width, h += 3 * width, before += width, after += width)
        for (int j = 0; j < width; j++) {
            float r = sigmoid_(x[j] + h[j]), z = sigmoid_(x[width + j] + h[width + j]);
            float n = tanh_(x[2 * width + j] + r * h[2 * width + j]);
            after[j] = (1.0f - z) * n + z * before[j];
        }
}

void KERNEL(gru_cell_backward)(const float *x, const float *h, const float *before,
                               const float *dafter, float *dx, float *dh, float *dbefore, int rows,
                               int width) {
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < width; j++) {
            int R = j, Z = width + j, N = 2 * width + j;
            float r = sigmoid_(x[R] + h[R]), z = sigmoid_(x[Z] + h[Z]), d = dafter[j];
            float n = tanh_(x[N] + r * h[N]);
            float dn = d * (1.0f - z) * (1.0f - n * n);
            float dz = d * (before[j] - n) * z * (1.0f - z), dr = dn * h[N] * r * (1.0f - r);
            dx[R] += dr, dh[R] += dr;
            dx[Z] += dz, dh[Z] += dz;
            dx[N] += dn, dh[N] += dn * r;
            dbefore[j] += d * z;
        }
        x += 3 * width, h += 3 * width, dx += 3 * width, dh += 3 * width;
        before += width, dafter += width, dbefore += width;
    }
}

// x and h as for gru_cell, (rows, 4 width): input, forget, candidate, output
void KERNEL(lstm_cell)(const float *x, const float *h, const float *cell, float *next,
                       float *after, int rows, int width) {
    for (int i = 0; i < rows; i++, x += 4 * width, h += 4 * width)
        for (int j = 0; j < width; j++) {
            int I = j, F = width + j, G = 2 * width + j, O = 3 * width + j, at = i * width + j;
            float write = sigmoid_(x[I] + h[I]) * tanh_(x[G] + h[G]);
            next[at] = sigmoid_(x[F] + h[F]) * cell[at] + write;
            after[at] = sigmoid_(x[O] + h[O]) * tanh_(next[at]);
        }
}

// z (rows, width) = tanh(values) sigmoid(gates), which stand side by side in x (rows, 2 width)
void KERNEL(gate)(const float *x, float *z, int rows, int width) {
    for (int i = 0; i < rows; i++, x += 2 * width, z += width)
        for (int j = 0; j < width; j++) z[j] = tanh_(x[j]) * sigmoid_(x[width + j]);
}

// total += x, and y = x + total / count: the newest vector beside the mean of all so far
void KERNEL(running_mean)(const float *x, float *total, float *y, int n, int count) {
    for (int i = 0; i < n; i++) {
        total[i] += x[i];
        y[i] = x[i] + total[i] / count;
    }
}

// -- the optimizer --------------------------------------------------------------------------------

// One step of AdamW. first and second: 1 - beta^step, as both averages start at 0
void KERNEL(adamw)(float *w, const float *dw, float *mean, float *square, int n, float rate,
                   float beta1, float beta2, float decay, float first, float second) {
    float step = rate / first, scale = 1.0f / __builtin_sqrtf(second);
    for (int i = 0; i < n; i++) {
        mean[i] += (1.0f - beta1) * (dw[i] - mean[i]);
        square[i] = beta2 * square[i] + (1.0f - beta2) * dw[i] * dw[i];
        w[i] = w[i] * (1.0f - rate * decay) - step * mean[i] / (__builtin_sqrtf(square[i]) * scale + 1e-8f);
    }
}
