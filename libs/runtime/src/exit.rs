//! Exit codes, as `sysexits.h` names them: scripts and init systems can tell what to do.

/// The command line or the configuration is wrong. Restarting does not help.
pub const USAGE: u8 = 64;
/// A file's content is wrong, or from another version.
pub const DATA_ERROR: u8 = 65;
/// A file to be read is not there.
pub const NO_INPUT: u8 = 66;
/// No such account.
pub const NO_USER: u8 = 67;
/// Something that is needed is not available, such as a port or a store.
pub const UNAVAILABLE: u8 = 69;
/// A fault of ours.
pub const SOFTWARE: u8 = 70;
/// A file or folder can't be made.
pub const CANNOT_CREATE: u8 = 73;
/// Reading or writing failed.
pub const IO_ERROR: u8 = 74;
/// It may work later.
pub const TEMPORARY: u8 = 75;
/// Not permitted.
pub const NO_PERMISSION: u8 = 77;
