package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/stream"
)

// readSize is how much is read at once, and so the most bytes that can come
// along with the answer. The connection reads the others.
const readSize = 4 << 10

// openHTTP1 makes one attempt over a new connection of HTTP/1.1.
func (d *dialer) openHTTP1(ctx context.Context, hs *handshake.Client, u *url.URL) (*Conn, *url.URL, error) {
	req, err := d.request(hs, u, 1)
	if err != nil {
		return nil, nil, err
	}
	r, err := d.route(ctx, hs, req.url)
	if err != nil {
		return nil, nil, err
	}
	l, err := d.connect(ctx, r, alpnHTTP1)
	if err != nil {
		return nil, nil, err
	}
	return d.upgradeHTTP1(ctx, l, hs, req)
}

// upgradeHTTP1 makes the opening handshake on l, which it owns.
func (d *dialer) upgradeHTTP1(ctx context.Context, l *link, hs *handshake.Client, req *opening) (*Conn, *url.URL, error) {
	d.traceRequest(req)
	w := &wire1{link: l, req: req.raw, buf: bufpool.Get(readSize)}
	defer bufpool.Put(w.buf)
	c, next, err := d.upgrade(ctx, w, hs, req)
	if c == nil {
		l.socket.Close()
	}
	return c, next, err
}

// wire1 is a connection of HTTP/1.1.
type wire1 struct {
	link *link
	req  []byte
	buf  []byte
	rest []byte // what came behind the head, a part of buf
}

func (w *wire1) exchange(context.Context) (r *h1.Response, err error) {
	r, w.rest, err = exchange(w.link, w.req, w.buf)
	return r, err
}

func (w *wire1) transport() (stream.Transport, []byte) { return stream.New(w.link.Conn), w.rest }

func (w *wire1) abort() { w.link.socket.Close() }

func (w *wire1) addr() string { return w.link.addr }

func (w *wire1) body(r *h1.Response, limit int64) ([]byte, error) {
	data := []byte{}
	f, err := r.Framing(http.MethodGet)
	if err != nil {
		return data, err
	}
	body := h1.NewBody(f, h1.Limits{})
	full := func() bool { return body.Done() || limit > 0 && int64(len(data)) >= limit }
	buf := bufpool.Get(readSize)
	defer bufpool.Put(buf)
	for in := w.rest; ; {
		for len(in) > 0 && !full() {
			n, piece, err := body.Next(in)
			if err != nil {
				return data, err
			}
			data = append(data, piece...)
			in = in[n:]
		}
		if full() {
			break
		}
		n, err := w.link.Read(buf)
		if in = buf[:n]; n == 0 && err != nil {
			break // what came so far is worth more than the reason it ended
		}
	}
	if limit > 0 && int64(len(data)) > limit {
		data = data[:limit]
	}
	return data, nil
}

// exchange sends a request in one write and reads the head of the final answer
// by way of buf. What came behind it is rest, a part of buf.
func exchange(c net.Conn, req, buf []byte) (r *h1.Response, rest []byte, err error) {
	if _, err := c.Write(req); err != nil {
		return nil, nil, err
	}
	p := h1.NewResponseParser(h1.Limits{})
	for {
		n, err := c.Read(buf)
		for in := buf[:n]; len(in) > 0; {
			m, r, err := p.Next(in)
			if err != nil {
				return nil, nil, spokenError(in, err)
			}
			in = in[m:]
			if r != nil && !r.Interim() {
				return r, in, nil
			}
		}
		switch {
		case err == io.EOF && p.InHead():
			return nil, nil, fmt.Errorf("the connection was closed in the middle of the answer: %w", io.ErrUnexpectedEOF)
		case err == io.EOF:
			return nil, nil, fmt.Errorf("the connection was closed without an answer: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return nil, nil, err
		}
	}
}

// spokenError adds a hint to the error for an answer that is not HTTP/1.1.
func spokenError(in []byte, err error) error {
	switch {
	case errors.Is(err, h1.ErrVersion):
		return fmt.Errorf("%w: %w", handshake.ErrHTTPVersion, err)
	case in[0] == 0x15:
		return fmt.Errorf("%w (a TLS alert): use wss:// or another port", err)
	}
	return err
}
