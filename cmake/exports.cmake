# cmake -DNM=nm -DARCHIVES="a;b" -DOUT=kaon.map -P exports.cmake: the linker's version script of libkaon.so. It exports what the
# archives define in kaon::, but nothing of kaon::MODULE::internal and nothing that a header defines (weak symbols: each program
# has its own), except for vtables and type information. So no symbol of Boost or of the C++ library leaves libkaon.so.
execute_process(
  COMMAND ${NM} --extern-only --defined-only --format=posix ${ARCHIVES}
  COMMAND sed -nE "/^_Z(T[VTIS])?N[KRO]*4kaon[0-9]+[a-z]+8internal/d; s/^(_ZN[KRO]*4kaon[^ ]*|kaon_[^ ]*) [TDBR] .*/\\1;/p; s/^(_ZT[VTIS]N4kaon[^ ]*) .*/\\1;/p"
  COMMAND sort -u
  OUTPUT_VARIABLE symbols RESULTS_VARIABLE results COMMAND_ERROR_IS_FATAL ANY)
if(NOT symbols)
  message(FATAL_ERROR "${NM} finds no symbol of kaon:: in ${ARCHIVES}")
endif()
file(WRITE ${OUT} "{\nglobal:\n${symbols}local: *;\n};\n")
