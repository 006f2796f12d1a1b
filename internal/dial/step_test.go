package dial_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/wstest"
)

// steps is what OnStep is told, in words.
type steps struct {
	t     *testing.T
	names map[string]string // by address
	told  []string
	open  *dial.Info // has begun, and not ended
}

func (s *steps) on(i dial.Info) {
	s.t.Helper()
	name := s.names[i.Addr]
	if name == "" {
		name = i.Addr
	}
	switch {
	case !i.Done:
		if s.open != nil || i.Addrs != nil || i.Took != 0 || i.Err != nil || i.TLS != nil {
			s.t.Errorf("begun: %+v; before it: %+v", i, s.open)
		}
		s.open = &i
		return
	case s.open == nil || s.open.Step != i.Step || s.open.Addr != i.Addr || i.Took < 0:
		s.t.Errorf("ended: %+v, begun: %+v", i, s.open)
	}
	s.open = nil
	what := string(i.Step) + " " + name
	if i.Err != nil {
		what += " failed"
		if e, ok := errors.AsType[*dial.Error](i.Err); !ok || e.Step != i.Step || e.Addr != i.Addr {
			s.t.Errorf("%s: %v", what, i.Err)
		}
	}
	if (i.TLS != nil) != (i.Step == dial.StepTLS && i.Err == nil) {
		s.t.Errorf("%s: TLS %+v", what, i.TLS)
	}
	if (len(i.Addrs) > 0) != (i.Err == nil && (i.Step == dial.StepLookup || i.Step == dial.StepConnect)) {
		s.t.Errorf("%s: addresses %q", what, i.Addrs)
	}
	s.told = append(s.told, what)
}

// S3.6, S3.4, S3.13: each step is told of when it begins and when it ends, with
// whom it is, and nothing follows one that failed.
func TestOnStep(t *testing.T) {
	for _, tt := range []struct {
		name    string
		schemes string
		secure  bool
		host    string // instead of the target's address
		want    string
	}{
		{name: "plain", want: "connect target"},
		{name: "TLS", secure: true, want: "connect target, TLS target"},
		{name: "a name", host: "localhost", want: "lookup localhost, connect target"},
		{name: "a name that is none", host: "lariat.invalid", want: "lookup lariat.invalid failed"},
		{name: "a proxy", schemes: "http", want: "connect p1, proxy p1"},
		{name: "a proxy looks up the name", schemes: "socks5", host: "localhost", want: "connect p1, proxy p1"},
		{name: "an https proxy", schemes: "https", secure: true, want: "connect p1, TLS p1, proxy p1, TLS target"},
		{
			name: "a chain", schemes: "https socks5 https", secure: true,
			want: "connect p1, TLS p1, proxy p1, proxy p2, TLS p3, proxy p3, TLS target",
		},
		{name: "a proxy that fails", schemes: "http", host: "lariat.invalid", want: "connect p1, proxy p1 failed"},
		{name: "a second one that fails", schemes: "http socks5", host: "lariat.invalid", want: "connect p1, proxy p1, proxy p2 failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{t: t}
			server, client := authority(t)
			schemes := strings.Fields(tt.schemes)
			to := &dial.Target{Secure: tt.secure}
			if !tt.secure {
				server = nil
			}
			to.Host, to.Port = f.target(server, len(schemes))
			if tt.host != "" {
				to.Host = tt.host
			}
			s := &steps{t: t, names: map[string]string{to.Addr(): "target"}}
			for i, scheme := range schemes {
				p := f.proxy(scheme, "")
				to.Proxies = append(to.Proxies, p)
				s.names[p.Addr()] = fmt.Sprintf("p%d", i+1)
			}
			l, err := (&dial.Dialer{TLSConfig: client, OnStep: s.on}).Connect(within(t), to)
			if l != nil {
				l.Socket.Close()
			}
			if got := strings.Join(s.told, ", "); got != tt.want {
				t.Errorf("told of: %s\nwant:    %s", got, tt.want)
			}
			if failed := strings.HasSuffix(tt.want, "failed"); (err != nil) != failed || s.open != nil {
				t.Errorf("error %v; still open: %+v", err, s.open)
			}
		})
	}
}

// The end of a step has its error, and how long it took.
func TestOnStepTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last dial.Info
		d := &dial.Dialer{
			ConnectTimeout: time.Second, OnStep: func(i dial.Info) { last = i },
			NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		}
		_, err := d.Connect(t.Context(), &dial.Target{Host: "h", Port: "80"})
		if !last.Done || last.Took != time.Second || last.Err != err || last.Addr != "h:80" {
			t.Errorf("told of %+v, error %v", last, err)
		}
	})
}

// stall is the other end of a connection that answers each of the first writes
// after a while, and then nothing any more.
func stall(t *testing.T, after time.Duration, answers ...string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		select {
		case <-time.After(after):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		ours, theirs := wstest.Pipe(nil)
		go func() {
			defer theirs.Close()
			buf := make([]byte, 4096)
			for _, answer := range answers {
				if _, err := theirs.Read(buf); err != nil {
					return
				}
				<-time.After(after)
				io.WriteString(theirs, answer)
			}
			io.Copy(io.Discard, theirs)
		}()
		t.Cleanup(func() { ours.Close() })
		return ours, nil
	}
}

// H-C13, S3.4, S3.13, ruling C12: each step has its time, and begins it anew: two
// that take nearly all of it are no failure. The error names the option and with
// whom the step was.
func TestStepTimeouts(t *testing.T) {
	const limit, nearly = 10 * time.Second, 9 * time.Second
	socks := []string{"\x05\x00", "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"}
	ok := "HTTP/1.1 200 x\r\n\r\n"
	for _, tt := range []struct {
		name    string
		schemes string
		secure  bool
		after   time.Duration
		answers []string
		step    dial.Step // empty: no failure
		addr    string
		option  string
		took    time.Duration
	}{
		{name: "S3.4 connect", after: 2 * limit, step: dial.StepConnect, addr: "h:1", option: "ConnectTimeout", took: limit},
		{name: "S3.4 connect to a proxy", schemes: "http", after: 2 * limit, step: dial.StepConnect, addr: "p0:1", option: "ConnectTimeout", took: limit},
		{name: "S3.13 TLS", secure: true, step: dial.StepTLS, addr: "h:1", option: "TLSHandshakeTimeout", took: limit},
		{name: "TLS with a proxy", schemes: "https", after: nearly, step: dial.StepTLS, addr: "p0:1", option: "TLSHandshakeTimeout", took: nearly + limit},
		{name: "CONNECT", schemes: "http", after: nearly, step: dial.StepProxy, addr: "p0:1", option: "ConnectTimeout", took: nearly + limit},
		{name: "SOCKS5", schemes: "socks5", after: time.Second, answers: socks[:1], step: dial.StepProxy, addr: "p0:1", option: "ConnectTimeout", took: time.Second + limit},
		{name: "second CONNECT", schemes: "http http", after: nearly, answers: []string{ok}, step: dial.StepProxy, addr: "p1:1", option: "ConnectTimeout", took: 2*nearly + limit},
		{name: "TLS with a second proxy", schemes: "socks5 https", after: time.Second, answers: socks, step: dial.StepTLS, addr: "p1:1", option: "TLSHandshakeTimeout", took: 3*time.Second + limit},
		{name: "TLS behind proxies", schemes: "http http", secure: true, after: nearly, answers: []string{ok, ok}, step: dial.StepTLS, addr: "h:1", option: "TLSHandshakeTimeout", took: 3*nearly + limit},
		{name: "all are slow", schemes: "http http http", after: nearly, answers: []string{ok, ok, ok}, took: 4 * nearly},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to := &dial.Target{Host: "h", Port: "1", Secure: tt.secure}
				for i, scheme := range strings.Fields(tt.schemes) {
					to.Proxies = append(to.Proxies, &dial.Proxy{Scheme: scheme, Host: fmt.Sprintf("p%d", i), Port: "1"})
				}
				d := &dial.Dialer{LookupTimeout: limit, ConnectTimeout: limit, TLSHandshakeTimeout: limit, NetDial: stall(t, tt.after, tt.answers...)}
				start := time.Now()
				l, err := d.Connect(t.Context(), to)
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if tt.step == "" {
					if err != nil {
						t.Fatal(err)
					}
					l.Socket.Close()
					return
				}
				e, ok := errors.AsType[*dial.Error](err)
				if !ok || e.Step != tt.step || e.Addr != tt.addr || !e.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), tt.option) {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// S3.6: the lookup has a time of its own.
func TestLookupTimeout(t *testing.T) {
	d := &dial.Dialer{LookupTimeout: 1}
	_, err := d.Connect(within(t), &dial.Target{Host: "lariat.invalid", Port: "1"})
	e, ok := errors.AsType[*dial.Error](err)
	if !ok || e.Step != dial.StepLookup || e.Addr != "lariat.invalid" || !e.Timeout() || !strings.Contains(err.Error(), "LookupTimeout") {
		t.Errorf("error %v", err)
	}
}

// The end of the context ends every step, and its cause is found.
func TestContextEndsSteps(t *testing.T) {
	why := errors.New("enough")
	for _, schemes := range [][]string{nil, {"http"}, {"socks5"}, {"https"}, {"http", "http"}} {
		t.Run(strings.Join(schemes, " "), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to := &dial.Target{Host: "h", Port: "1", Secure: true}
				for _, scheme := range schemes {
					to.Proxies = append(to.Proxies, &dial.Proxy{Scheme: scheme, Host: "p", Port: "1"})
				}
				var answers []string
				if len(schemes) > 1 {
					answers = slices.Repeat([]string{"HTTP/1.1 200 x\r\n\r\n"}, len(schemes)-1)
				}
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, why)
				defer cancel()
				_, err := (&dial.Dialer{NetDial: stall(t, time.Second, answers...)}).Connect(ctx, to)
				if !errors.Is(err, why) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}
