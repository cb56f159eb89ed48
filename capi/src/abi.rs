/// Number of the binary interface. Programs that were compiled with another one must be compiled anew; the shared library has
/// it in its name (libsparc.so.1).
pub const SPARC_ABI: u32 = 1;
