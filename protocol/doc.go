// Package protocol is the WebSocket protocol without a connection: bytes in,
// events out; messages in, bytes out.
package protocol
