package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/internal/roundtrip"
	"github.com/lariat-go/websocket/wstest"
)

// Giving up ends the connection, at any place, and both bodies with it.
func TestHTTP1Cancel(t *testing.T) {
	late := errors.New("late")
	for _, tt := range []struct {
		name   string
		answer string // before it is given up
		sends  bool   // a body, without end
	}{
		{"before the answer", "", false},
		{"in the head", "HTTP/1.1 200 OK\r\nConten", false},
		{"after an interim one", "HTTP/1.1 103 Early Hints\r\n\r\n", false},
		{"sending", "", true},
		{"in a long body", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc", false},
		{"in a body, sending", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", true},
		{"in a body without length", "HTTP/1.1 200 OK\r\n\r\nabc", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play1(t, nil, func(t *testing.T, p *peer1) {
				ctx, cancel := context.WithCancelCause(t.Context())
				var body io.Reader
				pr, pw := io.Pipe()
				if tt.sends {
					body = pr
				}
				a := p.do(newRequest1(ctx, "POST", "/", body))
				p.request()
				p.send(tt.answer)
				next := p.ask("GET", "/next", nil)
				synctest.Wait()
				cancel(late)
				if got := <-a; got.err == nil {
					text, err := io.ReadAll(got.res.Body)
					if !errors.Is(err, late) || !strings.Contains(tt.answer, "200") || len(text) > 3 {
						t.Errorf("body %q, %v", text, err)
					}
					got.res.Body.Close()
				} else if !errors.Is(got.err, late) || !errors.Is(got.err, context.Canceled) {
					t.Errorf("error %v", got.err)
				}
				p.over(errGivenUp)
				if tt.sends {
					if _, err := pw.Write([]byte("x")); err != io.ErrClosedPipe {
						t.Errorf("the request's body: %v", err)
					}
				}
				if got := <-next; !errors.Is(got.err, errGivenUp) || !strings.Contains(got.err.Error(), "request was not sent") {
					t.Errorf("the next request: %v", got.err)
				}
			})
		})
	}
}

// A response that is there and unread when its request's context ends is no
// shorter one, and the connection goes on.
func TestHTTP1CancelUnread(t *testing.T) {
	play1(t, nil, func(t *testing.T, p *peer1) {
		ctx, cancel := context.WithCancel(t.Context())
		a := p.do(newRequest1(ctx, "GET", "/", nil))
		p.request()
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde")
		res := (<-a).res
		buf := make([]byte, 3)
		if n, err := res.Body.Read(buf); n != 3 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		cancel()
		synctest.Wait()
		if n, err := res.Body.Read(buf); n != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("after the end of the context: %d bytes, %v", n, err)
		}
		res.Body.Close()
		p.usable()
	})
}

// A response that comes before its request was sent to the end is given whole,
// and the connection ends.
func TestHTTP1EarlyResponse(t *testing.T) {
	for name, more := range map[string]func(pw *io.PipeWriter){
		"nothing more": func(*io.PipeWriter) {},
		"more":         func(pw *io.PipeWriter) { pw.Write([]byte("more")) },
		"the end":      func(pw *io.PipeWriter) { pw.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			play1(t, nil, func(t *testing.T, p *peer1) {
				pr, pw := io.Pipe()
				a := p.ask("PUT", "/", pr)
				p.request()
				p.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
				res := (<-a).res
				synctest.Wait()
				more(pw)
				synctest.Wait()
				if text, err := io.ReadAll(res.Body); string(text) != "abc" || err != nil {
					t.Errorf("body %q, %v", text, err)
				}
				res.Body.Close()
				if err := <-p.served; err != errEarly && err != errLast {
					t.Errorf("serve returned %v", err)
				}
				if _, err := pw.Write([]byte("x")); err != io.ErrClosedPipe {
					t.Errorf("the request's body: %v", err)
				}
			})
		})
	}
}

// A response whose body is closed early is read on while little is left of it
// and it comes soon; else the connection ends.
func TestHTTP1EarlyClose(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, tt := range []struct {
		name, before, after string
		wait                time.Duration
		lives               bool
	}{
		{"all is there", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "", 0, true},
		{"a little is left", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "de", dropTime - 1, true},
		{"it comes late", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "", dropTime, false},
		{"much is left", "HTTP/1.1 200 OK\r\nContent-Length: 65540\r\n\r\nabc", "", 0, false},
		{"a little, in chunks", head + "3\r\nabc\r\n", "10000\r\n" + strings.Repeat("x", 1<<16) + "\r\n0\r\n\r\n", 0, true},
		{"much, in chunks", head + "3\r\nabc\r\n", "10001\r\n" + strings.Repeat("x", 1<<16+1), 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play1(t, nil, func(t *testing.T, p *peer1) {
				a := p.ask("GET", "/", nil)
				p.request()
				p.send(tt.before)
				got := <-a
				if got.err != nil {
					t.Fatal(got.err)
				}
				synctest.Wait()
				got.res.Body.Close()
				if _, err := got.res.Body.Read(make([]byte, 1)); !errors.Is(err, roundtrip.ErrBodyClosed) {
					t.Errorf("read after Close: %v", err)
				}
				start := time.Now()
				if tt.wait < dropTime {
					time.Sleep(tt.wait) // the bubble's clock
				}
				io.WriteString(p.c, tt.after)
				if tt.lives {
					p.usable()
					return
				}
				if p.over(errGivenUp); time.Since(start) != tt.wait {
					t.Errorf("it took %v", time.Since(start))
				}
			})
		})
	}
}

// The server's end of the connection is noticed at once, in any state.
func TestHTTP1ServerEnds(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		body         string // of the response, if there is one
		want, over   error
	}{
		{"without an answer", "", "", httpconn.ErrNoResponse, httpconn.ErrNoResponse},
		{"in the head", "HTTP/1.1 200 O", "", io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
		{"in the body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "abc", io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
		{"in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "abc", io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
		{"as the end of the body", "HTTP/1.1 200 OK\r\n\r\nabc", "abc", nil, errLast},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nabc", "abc", nil, errLast},
		{"HTTP/1.0 with a length", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", nil, errLast},
		{"Connection: close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", "abc", nil, errLast},
		{"in order", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", nil, errEnded},
		{"with too much", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n", "abc", nil, httpconn.ErrUnsolicited},
		{"with 101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "", httpconn.ErrUnexpectedUpgrade, httpconn.ErrUnexpectedUpgrade},
		{"with no HTTP", "SSH-2.0-OpenSSH_10.0\r\n", "", httpconn.ErrMalformed, httpconn.ErrMalformed},
		{"with two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "", httpconn.ErrFraming, httpconn.ErrFraming},
	} {
		each := func(t *testing.T, chunk int) {
			play1(t, nil, func(t *testing.T, p *peer1) {
				p.own.Chunk(chunk)
				a := p.ask("GET", "/", nil)
				p.request()
				p.send(tt.answer)
				p.c.Close()
				got := <-a
				if got.err == nil {
					var text []byte
					text, got.err = io.ReadAll(got.res.Body)
					if got.res.Body.Close(); string(text) != tt.body {
						t.Errorf("body %q", text)
					}
				}
				if !errors.Is(got.err, tt.want) {
					t.Errorf("error %v, want %v", got.err, tt.want)
				}
				if got.err != nil && !strings.HasPrefix(got.err.Error(), "websocket: ") {
					t.Errorf("text %q", got.err)
				}
				p.over(tt.over)
				if !p.s.over() {
					t.Error("it is not over")
				}
				if _, err := p.rt.RoundTrip(newRequest1(t.Context(), "GET", "/", nil)); !errors.Is(err, tt.over) {
					t.Errorf("another request: %v", err)
				}
			})
		}
		t.Run(tt.name, func(t *testing.T) { each(t, 0) })
		t.Run(tt.name+", byte by byte", func(t *testing.T) { each(t, 1) })
	}
	t.Run("idle", func(t *testing.T) {
		play1(t, nil, func(t *testing.T, p *peer1) {
			p.usable()
			p.c.Close()
			p.over(errEnded)
		})
	})
	t.Run("idle, with a word", func(t *testing.T) {
		play1(t, nil, func(t *testing.T, p *peer1) {
			p.usable()
			p.send("HTTP/1.1 408 Request Timeout\r\n\r\n")
			err := <-p.served
			if !errors.Is(err, httpconn.ErrUnsolicited) || !strings.Contains(err.Error(), "408 Request Timeout") {
				t.Errorf("serve returned %v", err)
			}
		})
	})
	t.Run("reset", func(t *testing.T) {
		play1(t, nil, func(t *testing.T, p *peer1) {
			a := p.ask("GET", "/", nil)
			p.request()
			p.c.Cut()
			if got := <-a; got.err == nil || !strings.Contains(got.err.Error(), "connection was lost") {
				t.Errorf("%v", got.err)
			}
			<-p.served
		})
	})
}

// S3.7: the limits of HTTP1Options hold for responses.
func TestHTTP1Limits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		o      httpconn.Options
		answer string
		fits   bool
	}{
		{"32 KiB", httpconn.Options{}, "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("x", 4<<10)+"\r\n", 8), false},
		{"100 fields", httpconn.Options{}, "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: x\r\n", 101), false},
		{"own bytes", httpconn.Options{MaxHeaderBytes: 64}, "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 60), false},
		{"own fields", httpconn.Options{MaxFields: 1}, "HTTP/1.1 200 OK\r\nX: x\r\nY: y\r\n", false},
		{"more fields", httpconn.Options{MaxFields: 200}, "HTTP/1.1 204 No Content\r\n" + strings.Repeat("X: x\r\n", 101) + "\r\n", true},
		{"no limit", httpconn.Options{MaxHeaderBytes: -1}, "HTTP/1.1 204 No Content\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play1(t, &session1Options{Options: tt.o}, func(t *testing.T, p *peer1) {
				a := p.ask("GET", "/", nil)
				p.request()
				io.WriteString(p.c, tt.answer)
				if got := <-a; tt.fits != (got.err == nil) || !tt.fits && !errors.Is(got.err, httpconn.ErrLimit) {
					t.Errorf("%v", got.err)
				}
			})
		})
	}
}

// Who reads slowly holds little of a response, and the server waits; so does a
// request's body wait for the server.
func TestHTTP1Backpressure(t *testing.T) {
	const size = 10 << 20
	const most = unread1 + 1<<maxRead1 + wstest.DefaultPipeBuffer
	play1(t, nil, func(t *testing.T, p *peer1) {
		a := p.ask("GET", "/", nil)
		p.request()
		p.send("HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(size) + "\r\n\r\n")
		wrote := make(chan error, 1)
		go func() {
			_, err := p.c.Write(make([]byte, size))
			wrote <- err
		}()
		res := (<-a).res
		synctest.Wait()
		if n := p.c.Stats().Written; n > most+200 {
			t.Errorf("%d bytes of the response were taken", n)
		}
		n, err := io.Copy(io.Discard, res.Body)
		if err := errors.Join(err, <-wrote); n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		p.usable()

		body := &countingReader{r: bytes.NewReader(make([]byte, size))}
		a = p.ask("PUT", "/", body)
		synctest.Wait()
		if body.n > wstest.DefaultPipeBuffer+2*64<<10 {
			t.Errorf("%d bytes of the request were read", body.n)
		}
		r := p.request()
		if n, err := io.Copy(io.Discard, r.Body); n != size || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		p.send("HTTP/1.1 204 No Content\r\n\r\n")
		if a := <-a; a.err != nil {
			t.Error(a.err)
		}
		p.usable()
	})
}

// countingReader counts what is read.
type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// A server that takes nothing is given up after the time for writing.
func TestHTTP1Silent(t *testing.T) {
	play1(t, nil, func(t *testing.T, p *peer1) {
		start := time.Now()
		a := p.ask("PUT", "/", bytes.NewReader(make([]byte, 1<<20)))
		if a := <-a; !errors.Is(a.err, errSilent) || time.Since(start) != 30*time.Second {
			t.Errorf("%v after %v", a.err, time.Since(start))
		}
		p.over(errSilent)
	})
}

// An answer that came before the request could be sent is the response; without
// one there is an error soon.
func TestHTTP1WriteFails(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", ""} {
		play1(t, nil, func(t *testing.T, p *peer1) {
			pr, pw := io.Pipe()
			a := p.ask("PUT", "/", pr)
			p.request()
			p.send(answer)
			p.c.Close()
			for err := error(nil); err == nil; {
				_, err = pw.Write(make([]byte, 1<<16))
			}
			got := <-a
			if answer == "" && got.err == nil || answer != "" && (got.err != nil || got.res.StatusCode != http.StatusRequestEntityTooLarge) {
				t.Errorf("%+v", got)
			}
			<-p.served
		})
	}
}

// drain lets what is under way end, and nothing else begin; close does neither.
func TestHTTP1Drain(t *testing.T) {
	play1(t, nil, func(t *testing.T, p *peer1) {
		a := p.ask("GET", "/", nil)
		p.request()
		waits := p.ask("GET", "/2", nil)
		synctest.Wait()
		p.s.drain()
		if got := <-waits; !errors.Is(got.err, ErrClosed) {
			t.Errorf("a request in the queue: %v", got.err)
		}
		if _, err := p.rt.RoundTrip(newRequest1(t.Context(), "GET", "/", nil)); !errors.Is(err, ErrClosed) {
			t.Errorf("another request: %v", err)
		}
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
		if text := (<-a).text(t); text != "x" {
			t.Errorf("body %q", text)
		}
		p.over(nil)
	})
	play1(t, nil, func(t *testing.T, p *peer1) {
		p.s.drain()
		p.over(nil)
	})
	play1(t, nil, func(t *testing.T, p *peer1) {
		a := p.ask("GET", "/", nil)
		p.request()
		p.s.close()
		p.s.close()
		if got := <-a; !errors.Is(got.err, ErrClosed) {
			t.Errorf("%v", got.err)
		}
		p.over(nil)
	})
}
