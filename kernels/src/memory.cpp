// Memory pools, staging and workspaces, once.
#include <anylead/cuda/memory.ipp>
