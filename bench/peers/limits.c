// What two threads of this machine can do at most, for the tables' "physical limit" column.
//   gcc -O3 -march=native -ffast-math -fopenmp limits.c -o limits -lm && ./limits [CASE ...]
// -ffast-math lets gcc use glibc's vector sin/cos (libmvec, AVX-512, 4 ulp).
#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}
static int cmp(const void *a, const void *b) {
    double x = *(double *)a, y = *(double *)b;
    return (x > y) - (x < y);
}
static void out(const char *c, const char *p, double (*f)(void), int runs, double units, const char *unit, const char *detail) {
    double t[32];
    f();
    for (int i = 0; i < runs; i++) t[i] = f();
    qsort(t, runs, sizeof *t, cmp);
    printf("{\"case\": \"%s\", \"peer\": \"%s\", \"seconds_median\": %.6f, \"seconds_min\": %.6f, \"seconds_max\": %.6f, "
           "\"runs\": %d, \"units\": %.0f, \"unit\": \"%s\", \"per_unit_us\": %.6f, \"peak_rss_mb\": 0, \"detail\": \"%s\"}\n",
           c, p, t[runs / 2], t[0], t[runs - 1], runs, units, unit, t[runs / 2] / units * 1e6, detail);
    fflush(stdout);
}

// ---- b1: sum(sin(x)^2 + cos(y)^2), 64 M elements
#define NB1 64000000L
static double *X, *Y;
static double trig(void) {
    double t = now(), s = 0;
#pragma omp parallel for simd reduction(+ : s) num_threads(2)
    for (long i = 0; i < NB1; i++) {
        double a = sin(X[i]), b = cos(Y[i]);
        s += a * a + b * b;
    }
    t = now() - t;
    if (fabs(s / NB1 - 1) > 0.1) printf("# trig sum %g\n", s);  // keep s
    return t;
}

// ---- a1: independent tasks, each a call through a pointer, from one shared counter
typedef long (*task)(long);
static long inc(long x) { return x + 1; }
static volatile task F = inc;
#define NT 4000000L
static long *R;
static double independent(void) {
    double t = now();
#pragma omp parallel for schedule(dynamic, 1) num_threads(2)
    for (long i = 0; i < NT; i++) R[i] = F(i);
    return now() - t;
}

// ---- a4: the 200 x 100 stencil graph, run by dependency counters and a locked stack a thread, with stealing
#define STEPS 200
#define TILES 100
#define N (STEPS * TILES)
static atomic_int left[N];
static long val[N];
static struct { pthread_spinlock_t l; int n, q[N]; char pad[64]; } dq[2];
static atomic_int done_;
static void push(int w, int i) {
    pthread_spin_lock(&dq[w].l);
    dq[w].q[dq[w].n++] = i;
    pthread_spin_unlock(&dq[w].l);
}
static int pop(int w) {
    int r = -1;
    pthread_spin_lock(&dq[w].l);
    if (dq[w].n) r = dq[w].q[--dq[w].n];
    pthread_spin_unlock(&dq[w].l);
    return r;
}
static double graph(int threads) {
    for (int i = 0; i < N; i++) atomic_store(&left[i], i < TILES ? 0 : 3);
    for (int w = 0; w < 2; w++) dq[w].n = 0;
    for (int i = 0; i < TILES; i++) dq[i % threads].q[dq[i % threads].n++] = i;
    atomic_store(&done_, 0);
    double t = now();
#pragma omp parallel num_threads(threads)
    {
        int w = omp_get_thread_num();
        while (atomic_load(&done_) < N) {
            int i = pop(w);
            if (i < 0 && threads == 2) i = pop(1 - w);
            if (i < 0) continue;
            int s = i / TILES, j = i % TILES;
            val[i] = s ? val[i - TILES] + val[(s - 1) * TILES + (j + 1) % TILES] + val[(s - 1) * TILES + (j + TILES - 1) % TILES] : F(j);
            if (s + 1 < STEPS)
                for (int d = -1; d <= 1; d++) {
                    int k = (s + 1) * TILES + (j + d + TILES) % TILES;
                    if (atomic_fetch_sub(&left[k], 1) == 1) push(w, k);
                }
            atomic_fetch_add(&done_, 1);
        }
    }
    return now() - t;
}
static double graph1(void) { return graph(1); }
static double graph2(void) { return graph(2); }

// ---- waking a sleeping thread and being woken by it
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cv = PTHREAD_COND_INITIALIZER;
static int turn;
#define NP 20000
static void *pong(void *_) {
    for (int i = 0; i < NP; i++) {
        pthread_mutex_lock(&m);
        while (turn != 1) pthread_cond_wait(&cv, &m);
        turn = 0;
        pthread_cond_broadcast(&cv);
        pthread_mutex_unlock(&m);
    }
    return _;
}
static double wake(void) {
    pthread_t p;
    turn = 0;
    pthread_create(&p, 0, pong, 0);
    double t = now();
    for (int i = 0; i < NP; i++) {
        pthread_mutex_lock(&m);
        turn = 1;
        pthread_cond_broadcast(&cv);
        while (turn != 0) pthread_cond_wait(&cv, &m);
        pthread_mutex_unlock(&m);
    }
    t = now() - t;
    pthread_join(p, 0);
    return t;
}

// With cases named, only those; with none, all.
static int wanted(int n, char **names, const char *c) {
    for (int i = 1; i < n; i++)
        if (!strcmp(names[i], c)) return 1;
    return n < 2;
}

int main(int n, char **names) {
    if (wanted(n, names, "b1_trig_sum")) {
        X = malloc(NB1 * 8), Y = malloc(NB1 * 8);
        unsigned long s = 1;
        for (long i = 0; i < NB1; i++) {
            s = s * 6364136223846793005UL + 1442695040888963407UL;
            X[i] = (s >> 11) * 0x1p-53;
            Y[i] = (s >> 13 & 0xffffffff) * 0x1p-32;
        }
        out("b1_trig_sum", "c-libmvec-2t", trig, 9, NB1, "element", "64 M elements, fused, AVX-512 vector sin and cos");
    }
    if (wanted(n, names, "a1_independent")) {
        R = malloc(NT * 8);
        out("a1_independent", "c-openmp-2t", independent, 9, NT, "task", "pointer call, shared counter: no graph");
    }
    if (wanted(n, names, "a4_stencil")) {
        for (int w = 0; w < 2; w++) pthread_spin_init(&dq[w].l, 0);
        out("a4_stencil", "c-1t", graph1, 9, N, "task", "dependency counters, locked stack");
        out("a4_stencil", "c-2t", graph2, 9, N, "task", "dependency counters, a locked stack a thread, stealing");
    }
    if (wanted(n, names, "a5_latency"))
        out("a5_latency", "c-condvar", wake, 5, NP, "round trip", "two threads waking each other");
}
