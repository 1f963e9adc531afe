# One block at the end of configuring: what was found, what is left out and why.

function(anylead_summary what state)
  string(LENGTH "${what}" length)
  math(EXPR gap "22 - ${length}")
  string(REPEAT " " ${gap} padding)
  set_property(GLOBAL APPEND PROPERTY ANYLEAD_SUMMARY "  ${what}${padding}${state}")
endfunction()

function(anylead_print_summary)
  get_property(lines GLOBAL PROPERTY ANYLEAD_SUMMARY)
  list(JOIN lines "\n" text)
  set(kind "${CMAKE_BUILD_TYPE}")
  if(ANYLEAD_SANITIZE)
    string(APPEND kind ", sanitizers ${ANYLEAD_SANITIZE}")
  endif()
  message(STATUS "anylead ${anylead_VERSION}, ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}, ${kind}\n${text}")
endfunction()
