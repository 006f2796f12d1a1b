// Package h1 reads and writes HTTP/1.1 messages as a client does, as far as an
// opening handshake, a CONNECT to a proxy and plain requests need (RFC 9112).
//
// It moves no bytes: requests are appended to a slice, and what the peer sent
// is handed in, in pieces of any size, as it comes. What is wrong is refused at
// the first byte that shows it, so that a peer which speaks another protocol is
// found out without waiting for more.
//
// It is stricter than net/http, and never more lenient: lines end with CRLF,
// nothing is folded, nothing stands before a colon, no control character
// passes, and a message has one length.
//
// Errors have no "websocket: " in front: callers wrap them.
package h1
