package client_test

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/h2"
	"github.com/lariat-go/websocket/wstest"
)

// newNet returns a network with a server that speaks HTTP/1.1, and HTTP/2 without
// TLS. The server ends with the test, or its bubble.
func newNet(t *testing.T, handler http.Handler) *wstest.Listener {
	t.Helper()
	ln := wstest.NewListener(nil)
	serve(t, ln, handler)
	return ln
}

// serve has a server that speaks HTTP/1.1, and HTTP/2 without TLS, on ln until
// the end of the test.
func serve(t *testing.T, ln net.Listener, handler http.Handler) {
	t.Helper()
	srv := &http.Server{Handler: handler, Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	if err := h2.ConfigureServer(srv, nil); err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(ln)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
}

// inProcess counts descriptors and goroutines.
func inProcess() (fds, goroutines int) {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list), runtime.NumGoroutine()
}

// awaitInProcess waits until there are hardly more than so many.
func awaitInProcess(t *testing.T, fds, goroutines int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		f, g := inProcess()
		if f <= fds+20 && g <= goroutines+20 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors after %d, %d goroutines after %d", f, fds, g, goroutines)
		}
	}
}

// site answers requests with their method and path, and echoes on /ws. On
// /refuse it refuses upgrades with 403 and a body.
func site() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Method+" "+r.URL.RequestURI())
	})
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Subprotocols: []string{"chat", "news"}}})
		if err == nil {
			wstest.Echo(c)
		}
	})
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "members only", http.StatusForbidden)
	})
	return mux
}

// open opens a Conn that ends with the test.
func open(t *testing.T, ln *wstest.Listener, o *client.Options) *client.Conn {
	t.Helper()
	own := client.Options{}
	if o != nil {
		own = *o
	}
	own.Dial = ln.Dial
	c, err := client.Open("192.0.2.1:80", &own)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// up waits until c is up.
func up(t *testing.T, c *client.Conn) {
	t.Helper()
	if _, err := c.AwaitUp(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// get makes a GET on c.
func get(t *testing.T, c *client.Conn, path string) (body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	p, err := io.ReadAll(res.Body)
	return string(p), err
}

// echo has a message echoed on s.
func echo(t *testing.T, s *websocket.Conn, text string) {
	t.Helper()
	if err := s.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if _, p, err := s.Read(t.Context()); err != nil || string(p) != text {
		t.Fatalf("echo %q, %v; want %q", p, err, text)
	}
}

// gaveUp returns the GaveUpError of a Conn that is over, or fails.
func gaveUp(t *testing.T, c *client.Conn) *client.GaveUpError {
	t.Helper()
	<-c.Done()
	e, ok := errors.AsType[*client.GaveUpError](c.Err())
	if !ok {
		t.Fatalf("Err is %v, want a GaveUpError", c.Err())
	}
	return e
}

// since returns the time since start, for bubbles.
func since(start time.Time) time.Duration { return time.Since(start).Round(time.Millisecond) }

// acceptKey is the Sec-WebSocket-Accept for a request (RFC 6455, section 4.2.2).
func acceptKey(r *http.Request) string {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
