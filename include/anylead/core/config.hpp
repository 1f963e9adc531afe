// The only place for feature macros.
//
// ANYLEAD_COMPILED   set by the target anylead::compiled: bodies of non-template code and the instantiations of the
//                    templates live in the static library; without it every header is complete by itself.
#pragma once

#ifdef ANYLEAD_COMPILED
#define ANYLEAD_INLINE
#else
#define ANYLEAD_INLINE inline
#endif
