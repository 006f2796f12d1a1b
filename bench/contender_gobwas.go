//go:build linux

package main

import (
	"bytes"
	"io"
	"net"
	"net/http"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// serveGobwas is the first example of the library's README.
func serveGobwas(ln net.Listener, m mode) error {
	h := new(hub[net.Conn])
	return serveHTTP(ln, func(w http.ResponseWriter, r *http.Request) {
		c, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		if m == modeBroadcast {
			h.add(c)
		}
		go func() {
			defer c.Close()
			for {
				p, op, err := wsutil.ReadClientData(c)
				if err != nil {
					return
				}
				if m == modeBroadcast {
					if h.each(func(d net.Conn) error { return wsutil.WriteServerMessage(d, op, p) }) != nil {
						return
					}
					continue
				}
				if err := wsutil.WriteServerMessage(c, op, p); err != nil {
					return
				}
			}
		}()
	})
}

// serveGobwasGather is what can be had of the library's low level by hand: its
// zero-copy upgrade on the accepted connection, one buffer per connection, all
// frames of one read worked through, their answers written at once.
func serveGobwasGather(ln net.Listener, m mode) error {
	h := new(hub[net.Conn])
	return serveConns(ln, func(c net.Conn) {
		defer c.Close()
		if _, err := ws.Upgrade(c); err != nil {
			return
		}
		if m == modeBroadcast {
			h.add(c)
		}
		g := &gobwasGather{conn: c, in: make([]byte, 4<<10)}
		if m == modeBroadcast {
			g.hub = h
		}
		_ = g.loop()
	})
}

type gobwasGather struct {
	conn    net.Conn
	hub     *hub[net.Conn]
	in      []byte
	n       int // bytes in in
	out     sink
	src     bytes.Reader
	scratch [ws.MaxHeaderSize]byte
}

// sink gathers what is written to it.
type sink []byte

func (s *sink) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}

func (g *gobwasGather) loop() error {
	for {
		n, err := g.conn.Read(g.in[g.n:])
		if err != nil {
			return err
		}
		g.n += n
		size := len(g.in)
		if g.n == size && size < 64<<10 {
			size *= 2 // a read that fills the buffer: more is waiting
		}
		used, want, err := g.frames(g.in[:g.n])
		if e := g.flush(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
		rest := g.in[used:g.n]
		if size = max(size, want); size > len(g.in) {
			g.in = make([]byte, size)
		}
		g.n = copy(g.in, rest)
	}
}

func (g *gobwasGather) flush() error {
	if len(g.out) == 0 {
		return nil
	}
	_, err := g.conn.Write(g.out)
	g.out = g.out[:0]
	return err
}

// frames works through the whole frames of p. want is the size of a frame that
// is not there in full yet.
func (g *gobwasGather) frames(p []byte) (used, want int, err error) {
	for used < len(p) {
		g.src.Reset(p[used:])
		h, err := ws.ReadHeaderBuffer(&g.src, g.scratch[:])
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return used, 0, nil
		}
		if err != nil {
			return used, 0, err
		}
		if err := ws.CheckHeader(h, ws.StateServerSide); err != nil {
			return used, 0, err
		}
		start := len(p) - g.src.Len()
		end := start + int(h.Length)
		if end > len(p) {
			return used, end - used, nil
		}
		body := p[start:end]
		ws.Cipher(body, h.Mask, 0)
		used = end
		h.Masked, h.Mask = false, [4]byte{}
		switch {
		case h.OpCode == ws.OpPong:
			continue
		case h.OpCode == ws.OpPing:
			h.OpCode = ws.OpPong
		case g.hub != nil && !h.OpCode.IsControl():
			f := ws.MustCompileFrame(ws.Frame{Header: h, Payload: body})
			if err := g.hub.each(func(c net.Conn) error { _, err := c.Write(f); return err }); err != nil {
				return used, 0, err
			}
			continue
		}
		if err := g.answer(h, p[:end], start); err != nil {
			return used, 0, err
		}
		if h.OpCode == ws.OpClose {
			return used, 0, io.EOF
		}
	}
	return used, 0, nil
}

// answer gathers a frame whose body is p from start on. A large one is sent from
// where it lies: its header, shorter by the mask, fits before the body.
func (g *gobwasGather) answer(h ws.Header, p []byte, start int) error {
	large := len(p)-start > 16<<10
	if large {
		if err := g.flush(); err != nil {
			return err
		}
	}
	if err := ws.WriteHeaderBuffer(&g.out, h, g.scratch[:]); err != nil {
		return err
	}
	if !large {
		g.out = append(g.out, p[start:]...)
		return nil
	}
	start -= copy(p[start-len(g.out):], g.out)
	g.out = g.out[:0]
	_, err := g.conn.Write(p[start:])
	return err
}
