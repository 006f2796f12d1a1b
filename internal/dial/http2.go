package dial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
	"github.com/lariat-go/websocket/internal/h2http"
	"github.com/lariat-go/websocket/internal/stream"
)

// Wire2 is a stream of HTTP/2 on which the request was sent.
type Wire2 struct {
	stream *h2conn.Stream
	server string

	done bool // Await has returned
	head *h2.Head
	err  error
}

// NewWire2 returns a wire on a stream that was opened with the request's Head.
// addr is the server's.
func NewWire2(s *h2conn.Stream, addr string) *Wire2 { return &Wire2{stream: s, server: addr} }

// Stream returns the stream.
func (w *Wire2) Stream() *h2conn.Stream { return w.stream }

// Await waits for the final answer, once: what it returned comes again then.
func (w *Wire2) Await(ctx context.Context) error {
	for interim := 0; !w.done; interim++ {
		w.head, _, w.err = w.stream.AwaitHead(ctx)
		switch {
		case w.err != nil:
		case w.head.TooLarge:
			w.err = errors.New("the header of the answer is longer than is taken, 32 KiB or 100 fields by default")
		case w.head.Status < 200 && interim == h2http.MaxInterim:
			w.err = fmt.Errorf("more than %d interim responses, the last one %d", h2http.MaxInterim, w.head.Status)
		}
		w.done = w.err != nil || w.head.Status >= 200
	}
	return w.err
}

// Exchange returns the head of the final answer.
func (w *Wire2) Exchange(ctx context.Context) (*h1.Response, error) {
	if err := w.Await(ctx); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("the connection was closed without an answer: %w", io.ErrUnexpectedEOF)
		}
		return nil, err
	}
	return &h1.Response{Minor: 1, Status: w.head.Status, Header: h2http.Header(w.head.Fields)}, nil
}

// Body reads the body of a refusal, and nothing of a tunnel.
func (w *Wire2) Body(r *h1.Response, limit int64) ([]byte, error) {
	if r.Status < 300 {
		return []byte{}, nil
	}
	return ReadRefusal(w.stream, limit), nil
}

// Transport returns the stream.
func (w *Wire2) Transport() (stream.Transport, []byte) { return w.stream, nil }

// Abort resets the stream.
func (w *Wire2) Abort() { w.stream.Abort(uint32(h2.ErrCodeCancel)) }

// Addr returns the server's address.
func (w *Wire2) Addr() string { return w.server }

// Close gives the stream up.
func (w *Wire2) Close() {
	w.Abort()
	w.stream.Close()
}

// AwaitSettings waits for the server's SETTINGS, which say whether it takes
// opening handshakes.
func AwaitSettings(ctx context.Context, c *h2conn.Conn, timeout time.Duration) error {
	ctx, cancel := WithStep(ctx, "UpgradeTimeout", timeout)
	defer cancel()
	err := c.AwaitSettings(ctx)
	if err == nil {
		return nil
	}
	if ended := WhyEnded(ctx, err); ended != nil {
		return fmt.Errorf("waiting for the server's SETTINGS: %w", ended)
	}
	if _, told := errors.AsType[*h2.ConnError](err); told {
		return err
	}
	return During("the connection ended before the server's SETTINGS came, it may not speak HTTP/2 there: ", err)
}
