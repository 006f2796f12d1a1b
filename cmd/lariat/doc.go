// Command lariat opens, serves, measures and takes apart WebSocket
// connections.
//
//	lariat demo              what the library does, shown on real sockets
//	lariat serve             a server to try clients on, with a page for browsers
//	lariat connect URL       lines to messages and back, by hand or in a pipe
//	lariat ping URL          round-trip times
//	lariat decode [FILE]     bytes of a connection into frames
//
// "lariat help COMMAND" describes a command with its flags and examples,
// "lariat help exit-codes" what the exit codes mean, and "lariat help json" the
// objects that --json prints.
package main
