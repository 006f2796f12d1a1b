package websocket

import "reflect"

// ConnSize is what a Conn takes, in bytes, without its stream.
var ConnSize = reflect.TypeFor[Conn]().Size()

// Waiting reports whether a read of c waits for the peer.
func Waiting(c *Conn) bool { return c.waiting.Load() }
