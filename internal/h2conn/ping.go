package h2conn

import "context"

// Ping waits until the peer has answered a PING.
func (c *Conn) Ping(ctx context.Context) error {
	c.mu.Lock()
	if c.over {
		err := c.err
		c.mu.Unlock()
		return err
	}
	c.pingSeq++
	seq, answered := c.pingSeq, make(chan struct{})
	if c.pings == nil {
		c.pings = make(map[uint64]chan struct{})
	}
	c.pings[seq] = answered
	c.m.Ping(pingData(seq))
	c.flush(false)
	c.unlock()
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.pings, seq)
		c.mu.Unlock()
		return context.Cause(ctx)
	case <-c.done:
		return c.Err()
	}
}

// pingMark tells our pings from the machine's.
const pingMark = 0x6c617269

func pingData(seq uint64) (p [8]byte) {
	seq |= pingMark << 32
	for i := range p {
		p[i] = byte(seq >> (8 * i))
	}
	return p
}

func (c *Conn) pong(p [8]byte) {
	var seq uint64
	for i, b := range p {
		seq |= uint64(b) << (8 * i)
	}
	if seq>>32 != pingMark {
		return
	}
	if ch := c.pings[seq&(1<<32-1)]; ch != nil {
		close(ch)
		delete(c.pings, seq&(1<<32-1))
	}
}
