// The one header that may ask which compiler runs: it adds a qualifier to functions shared with kernels, never a body.
#pragma once

#ifdef __CUDACC__
#define ANYLEAD_HD __host__ __device__
#else
#define ANYLEAD_HD
#endif
