// Launches and their errors, once.
#include <anylead/cuda/launch.ipp>
