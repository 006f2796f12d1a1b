package websocket_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/rawserver"
)

// rawServer serves connections on a new port.
func rawServer(t testing.TB, handle func(c net.Conn)) (addr string) {
	t.Helper()
	return rawserver.Serve(t, rawserver.Listen(t), handle)
}

// requestServer answers one request on each connection with what answer
// returns, and holds the connection until the client closes it.
func requestServer(t testing.TB, answer func(r *http.Request) string) (addr string) {
	t.Helper()
	return rawServer(t, func(c net.Conn) {
		if r := readRequest(c); r != nil {
			io.WriteString(c, answer(r))
			io.Copy(io.Discard, c)
		}
	})
}

// readRequest reads the head of a request, nil when there is none. What comes
// behind it may be lost.
func readRequest(c net.Conn) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return nil
	}
	return r
}

// acceptKey is Sec-WebSocket-Accept for a request.
func acceptKey(r *http.Request) string {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// switching is a 101 for a request, with more fields, each with its CRLF.
func switching(r *http.Request, fields string) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + acceptKey(r) + "\r\n" + fields + "\r\n"
}

// certificate returns the configurations of a TLS server for example.com and
// 127.0.0.1, and of a client that trusts it.
func certificate(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	client = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: client.RootCAs}
}

// within returns a context that ends in good time before the test does.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// mustGreet wants a text "hi" from a server, and drops the connection.
func mustGreet(t testing.TB, c *websocket.Conn, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	typ, p, err := c.Read(within(t))
	if err != nil || typ != websocket.MessageText || string(p) != "hi" {
		t.Fatalf("read %v %q, %v; want a text hi", typ, p, err)
	}
}

// greeting is the frame of a text "hi".
const greeting = "\x81\x02hi"

// greeter accepts and greets in the same segment.
func greeter(r *http.Request) string { return switching(r, "") + greeting }
