//go:build linux

package main

import (
	"io"
	"net"
)

// serveRaw echoes bytes. The buffer starts at 4 KiB and doubles when a read
// fills it, up to 64 KiB: small while idle, few system calls under load.
func serveRaw(ln net.Listener, m mode) error {
	if m == modeBroadcast {
		return serveRawBroadcast(ln)
	}
	return serveConns(ln, func(c net.Conn) {
		defer c.Close()
		buf := make([]byte, 4<<10)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			if _, err := c.Write(buf[:n]); err != nil {
				return
			}
			if n == len(buf) && n < 64<<10 {
				buf = make([]byte, 2*n)
			}
		}
	})
}

// serveRawBroadcast sends every frame, as it is, to all connections; a ping only
// to its sender.
func serveRawBroadcast(ln net.Listener) error {
	h := new(hub[net.Conn])
	return serveConns(ln, func(c net.Conn) {
		defer c.Close()
		h.add(c)
		buf := make([]byte, 4<<10)
		for {
			// The one sender has one message in flight: its length is in the
			// header, a 16-bit length or a 7-bit one.
			if _, err := io.ReadFull(c, buf[:4]); err != nil {
				return
			}
			// The shortest frame, an empty ping, has six.
			n := 2 + 4 + int(buf[1]&0x7f)
			if buf[1]&0x7f == 126 {
				n = 4 + 4 + int(buf[2])<<8 + int(buf[3])
			}
			if _, err := io.ReadFull(c, buf[4:n]); err != nil {
				return
			}
			if buf[0]&0xf == opPing {
				if _, err := c.Write(buf[:n]); err != nil {
					return
				}
				continue
			}
			if h.each(func(d net.Conn) error { _, err := d.Write(buf[:n]); return err }) != nil {
				return
			}
		}
	})
}
