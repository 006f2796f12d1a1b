package soak_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/server"
)

// patience is how long anything may take that must happen.
const patience = 30 * time.Second

// client is the client's side of a pair.
type client struct {
	*pair
	rng    *rand.Rand
	conn   *websocket.Conn
	wire   *shaper
	first  chan struct{} // closed when the first message came
	ended  chan struct{} // closed when the reader has
	resume func()
	settle func() // says that nothing more will come of the client by itself
}

// live connects, does what comes to mind, and ends in the way of the plan.
func (k *soak) live(rng *rand.Rand, settle func()) {
	p := k.newPair(rng)
	c := &client{pair: p, rng: rng, settle: settle, first: make(chan struct{}), ended: make(chan struct{}), resume: func() {}}
	if err := c.connect(); err != nil {
		p.fault("connecting: %v", err)
		return
	}
	defer c.conn.CloseNow()
	go c.read()
	select { // Close is to find the reader at work
	case <-c.first:
	case <-c.ended:
	}
	for range p.plan.actions {
		if !c.act() {
			break
		}
	}
	c.resume()
	c.end()
	select {
	case <-c.ended:
	case <-time.After(patience):
		p.fault("the client saw no end")
	}
	select {
	case <-p.over:
	case <-time.After(patience):
		p.fault("no Terminate")
	}
}

func (c *client) connect() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	o := &websocket.DialOptions{NetDial: c.dial}
	o.CloseTimeout = patience
	o.WriteTimeout = patience
	o.MaxControls = -1
	if c.plan.coding != nil {
		o.Extensions = c.plan.coding.client
	}
	var err error
	c.conn, err = websocket.Dial(ctx, "ws://soak.test/"+strconv.Itoa(c.id), o)
	return err
}

// read reads to the end.
func (c *client) read() {
	defer close(c.ended)
	first := sync.OnceFunc(func() { close(c.first) })
	for {
		_, m, err := c.conn.Read(context.Background())
		if err != nil {
			c.closed, _ = errors.AsType[*websocket.CloseError](err)
			return
		}
		if err := c.check(m); err != nil {
			c.fault("%v", err)
			return
		}
		first()
	}
}

// say sends the server a message. The number counts when it was sent whole.
func (c *client) say(op byte, aux, size int) bool {
	head := header{op: op, seq: c.asked + 1, aux: aux}
	return c.write(1, func(ctx context.Context) error {
		return c.conn.Write(ctx, typeOf(head), appendMessage(nil, head, size))
	})
}

func (c *client) write(n int, f func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := f(ctx)
	if err == nil {
		c.asked += n
	} else if ctx.Err() != nil {
		c.fault("writing: %v", err)
	}
	return err == nil
}

// act does one thing, and reports whether the client lives on.
func (c *client) act() bool {
	if !c.run.pause(c.rng, c.run.sessions.pace) {
		return false
	}
	select {
	case <-c.ended:
		return false
	default:
	}
	rng := c.rng
	switch roll := rng.IntN(100); {
	case roll < 45:
		return c.say(opEcho, 0, c.size())
	case roll < 53:
		return c.batch(1 + rng.IntN(40))
	case roll < 60:
		return c.say(opBurst, 1+rng.IntN(30), 0)
	case roll < 65:
		return c.fragments()
	case roll < 70:
		return c.ping()
	case roll < 74:
		return c.say(opPause, 1+rng.IntN(30), 0) && c.batch(5)
	case roll < 78:
		return c.say(opDeflate, 0, 0)
	case roll < 80:
		return c.say(opSleep, 0, 0)
	case roll < 82:
		return c.say(opSlow, 1+rng.IntN(5), 0)
	case roll < 84:
		return c.say(opLeave, 0, 0)
	case roll < 92:
		return c.stall()
	default:
		return c.say(opNone, 0, c.size())
	}
}

// size is that of a message: mostly small.
func (c *client) size() int {
	bits := 7
	switch roll := c.rng.IntN(100); {
	case roll < 1:
		bits = 19
	case roll < 6:
		bits = 16
	case roll < 20:
		bits = 14
	case roll < 50:
		bits = 11
	}
	return c.rng.IntN(1 << bits)
}

// batch sends several messages at once.
func (c *client) batch(n int) bool {
	items := make([]websocket.Outgoing, n)
	for i := range items {
		head := header{op: opEcho, seq: c.asked + 1 + i}
		items[i] = websocket.Outgoing{Opcode: typeOf(head), Data: appendMessage(nil, head, c.rng.IntN(300))}
	}
	return c.write(n, func(ctx context.Context) error { return c.conn.WriteBatch(ctx, items...) })
}

// fragments sends a message in several frames.
func (c *client) fragments() bool {
	head := header{op: opEcho, seq: c.asked + 1}
	return c.write(1, func(ctx context.Context) error {
		w, err := c.conn.Writer(ctx, typeOf(head))
		if err != nil {
			return err
		}
		for p := appendMessage(nil, head, 60_000); len(p) > 0; {
			n := min(len(p), 1+c.rng.IntN(30_000))
			if _, err := w.Write(p[:n]); err != nil {
				return err
			}
			p = p[n:]
		}
		return w.Close()
	})
}

func (c *client) ping() bool {
	return c.write(0, func(ctx context.Context) error {
		_, err := c.conn.Ping(ctx)
		return err
	})
}

// stall stops reading for a while, and asks for more all the same.
func (c *client) stall() bool {
	c.stalled = true
	c.resume = c.wire.stall()
	defer c.resume()
	alive := true
	for range c.rng.IntN(4) {
		alive = alive && c.say(opBurst, 60, 0) && c.say(opEcho, 0, c.size()) && c.run.pause(c.rng, c.run.sessions.pace/5)
	}
	return alive
}

// ending is how a client ends its session.
type ending int

const (
	endClose  ending = iota // by the closing handshake
	endStop                 // the server is asked to begin it
	endRST                  // the connection is reset
	endFIN                  // the connection is ended, right behind a message
	endHalf                 // in the middle of a frame
	endFrame                // by an invalid frame
	endText                 // by text that is not UTF-8
	endSize                 // by a message that is too large
	endPanic                // a callback panics
	endGoexit               // or ends its goroutine
	endIdle                 // by silence
	endStall                // it stops reading, and is reset later
	endDetach               // the server takes the connection from the session
	numEndings
)

var endingNames = [...]string{
	"close", "stop", "RST", "FIN", "half a frame", "bad frame", "bad text", "too large", "panic", "goexit", "idle", "stall", "detach",
}

func (e ending) String() string { return endingNames[e] }

// kinds returns the reasons with which such an ending is seen.
func (e ending) kinds() []server.ReasonKind {
	switch e {
	case endClose:
		return []server.ReasonKind{server.ReasonRemote}
	case endStop:
		return []server.ReasonKind{server.ReasonStop}
	case endFrame, endSize:
		return []server.ReasonKind{server.ReasonBadFrame}
	case endText:
		return []server.ReasonKind{server.ReasonBadEncoding}
	case endPanic, endGoexit:
		return []server.ReasonKind{server.ReasonCrash}
	case endIdle:
		return []server.ReasonKind{server.ReasonTimeout}
	case endDetach:
		return []server.ReasonKind{server.ReasonDetached}
	default:
		return []server.ReasonKind{server.ReasonClosed}
	}
}

// injects reports whether it comes by bytes that go past the client's Conn.
func (e ending) injects() bool {
	return slices.Contains([]ending{endFIN, endHalf, endFrame, endText, endSize}, e)
}

func (c *client) end() {
	// A ping comes back when all that was written before is on its way, which a
	// Write leaves to other goroutines where these are at it.
	if c.plan.ending.injects() && !c.ping() {
		c.wire.reset()
		return
	}
	switch c.plan.ending {
	case endClose:
		c.close()
	case endStop:
		c.say(opStop, 4000+c.rng.IntN(1000), 0)
	case endRST:
		c.say(opBurst, 5, 0)
		c.wire.reset()
	case endFIN:
		c.wire.inject(c.frames(5))
		_ = c.wire.raw.CloseWrite()
	case endHalf:
		c.wire.inject([]byte{0x82, 0xfe, 0x10, 0x00, 1, 2, 3, 4, 'h', 'a', 'l', 'f'}[:1+c.rng.IntN(12)])
		c.wire.reset()
	case endFrame:
		c.wire.inject([]byte{0x83 + byte(c.rng.IntN(5)), 0x80, 0, 0, 0, 0})
	case endText:
		c.wire.inject([]byte{0x81, 0x83, 0, 0, 0, 0, 'a', 0xff, 'b'})
	case endSize:
		c.wire.inject([]byte{0x82, 0xff, 0, 0, 0, 0, 0, 0xff, 0, 0, 1, 2, 3, 4})
	case endPanic:
		c.say(opPanic, 0, 0)
	case endGoexit:
		c.say(opGoexit, 0, 0)
	case endIdle:
		c.say(opIdle, 100, 0)
	case endStall:
		defer c.wire.stall()()
		c.stalled = true
		for range 20 {
			if !c.say(opBurst, 30, 0) || !c.say(opEcho, 0, 10_000) {
				break
			}
		}
		c.wire.reset()
	case endDetach:
		for i := 0; i < 5 && c.say([]byte{opDetach, opEcho}[min(i, 1)], 0, 1000); i++ {
		}
		c.close()
	}
}

// frames returns messages as they are on the wire, masked by nothing.
func (c *client) frames(n int) (p []byte) {
	for range n {
		c.asked++
		head := header{op: opEcho, seq: c.asked}
		m := appendMessage(nil, head, 100)
		p = append(p, 0x80|byte(typeOf(head)), 0x80|byte(len(m)), 0, 0, 0, 0)
		p = append(p, m...)
	}
	return p
}

// close ends by the closing handshake, or, when everything is over, sometimes
// waits for the server to begin it.
func (c *client) close() {
	if c.plan.ending == endClose && c.run.over() && c.id%2 == 0 {
		c.quiet = true
		c.settle()
		<-c.ended
		return
	}
	// Conn.Close would drop what comes while the reader looks at a message.
	code := websocket.StatusCode(4000 + c.rng.IntN(1000))
	c.write(0, func(ctx context.Context) error { return c.conn.WriteBatch(ctx, websocket.CloseFrame(code, "bye")) })
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.fault("the close frame was not answered")
	}
	if e := c.closed; (e == nil || e.Received == nil) && !c.maySlow() {
		c.fault("closing: %v", e)
	}
}
