package h2conn

import (
	"crypto/tls"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/stream"
)

// readBits is the size of read buffers: 16 KiB, a TLS record.
const readBits = 14

// busyTime is how long a read may wait with a buffer in its hands.
const busyTime = time.Second

// reader is what belongs to the goroutine that reads.
type reader struct {
	layered bool      // TLS: to wait for it without a buffer takes more than to read
	busy    time.Time // until when reads wait with a buffer; zero: they do not
}

// read moves what comes until the connection is over, or another goroutine does.
func (c *Conn) read() {
	c.mu.Lock()
	for c.turn() {
		c.unlock()
		buf, err := c.fetch()
		c.mu.Lock()
		if len(buf) > 0 {
			c.receive(buf)
			bufpool.Put(buf)
		} else if err != nil {
			c.ended(err)
			c.turn()
			break
		}
	}
	c.unlock()
}

// fetch waits for what the peer sends. Over TLS, a connection that is busy waits
// with a buffer in its hands, and one that is not without.
func (c *Conn) fetch() ([]byte, error) {
	in := &c.in
	if !in.layered {
		return c.t.ReadBorrow(readBits)
	}
	if !in.busy.IsZero() {
		buf := bufpool.Get(1 << readBits)
		n, err := c.t.Read(buf)
		if n > 0 {
			c.stayBusy()
			return buf[:n], nil
		}
		bufpool.Put(buf)
		if !stream.IsTimeout(err) {
			return nil, err
		}
		in.busy = time.Time{}
		c.t.SetReadDeadline(time.Time{})
	}
	buf, err := c.t.ReadBorrow(readBits)
	if err == nil {
		c.stayBusy()
	}
	return buf, err
}

// stayBusy moves the end of the busy time, not every time.
func (c *Conn) stayBusy() {
	now := time.Now()
	if now.Add(busyTime / 2).After(c.in.busy) {
		c.in.busy = now.Add(busyTime)
		c.t.SetReadDeadline(c.in.busy)
	}
}

func isTLS(c any) bool {
	_, ok := c.(*tls.Conn)
	return ok
}
