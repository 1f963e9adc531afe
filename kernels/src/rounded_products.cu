// Products of float ops in bf16.
#include <anylead/cuda/rounded_products.cuh>
