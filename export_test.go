package websocket

// Waiting reports whether a read of c waits for the peer.
func Waiting(c *Conn) bool { return c.waiting.Load() }
