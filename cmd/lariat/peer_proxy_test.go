package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/h2"
)

// The user and password that the proxies want.
const proxyUser, proxyPassword = "me", "secret"

// tunnel is a proxy that says on standard error where it connects to: an HTTP
// proxy, or with how "socks5" one of SOCKS5 (RFC 1928, RFC 1929).
func tunnel(c net.Conn, how string) error {
	r := bufio.NewReader(c)
	open := connectTunnel
	if how == "socks5" {
		open = socksTunnel
	}
	to, err := open(c, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "tunnel to %s\n", to.RemoteAddr())
	defer to.Close()
	go func() {
		_, _ = io.Copy(to, r)
		_ = to.Close()
	}()
	_, _ = io.Copy(c, to)
	return nil
}

func connectTunnel(c net.Conn, r *bufio.Reader) (net.Conn, error) {
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil, err
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(proxyUser+":"+proxyPassword))
	if req.Method != http.MethodConnect || req.Header.Get("Proxy-Authorization") != want {
		_, err := io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return nil, errors.Join(errors.New("no login"), err)
	}
	to, err := net.Dial("tcp", req.Host)
	if err != nil {
		_, werr := io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return nil, errors.Join(err, werr)
	}
	_, err = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	return to, err
}

func socksTunnel(c net.Conn, r *bufio.Reader) (net.Conn, error) {
	next := func(n int) []byte {
		p := make([]byte, n)
		if _, err := io.ReadFull(r, p); err != nil {
			return make([]byte, n)
		}
		return p
	}
	next(int(next(2)[1]))                            // methods
	if _, err := c.Write([]byte{5, 2}); err != nil { // user and password
		return nil, err
	}
	user := string(next(int(next(2)[1])))
	password := string(next(int(next(1)[0])))
	if user != proxyUser || password != proxyPassword {
		_, err := c.Write([]byte{1, 1})
		return nil, errors.Join(errors.New("no login"), err)
	}
	if _, err := c.Write([]byte{1, 0}); err != nil {
		return nil, err
	}
	var host string
	switch kind := next(4)[3]; kind {
	case 1:
		host = net.IP(next(4)).String()
	case 3:
		host = string(next(int(next(1)[0])))
	case 4:
		host = net.IP(next(16)).String()
	default:
		return nil, fmt.Errorf("address of kind %d", kind)
	}
	port := strconv.Itoa(int(binary.BigEndian.Uint16(next(2))))
	to, err := net.Dial("tcp", net.JoinHostPort(host, port))
	if err != nil {
		_, werr := c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		return nil, errors.Join(err, werr)
	}
	_, err = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	return to, err
}

// connectionKey finds the number of the connection of a request.
type connectionKey struct{}

// serveLogin serves what wants a login before: POST /login gives a cookie, and
// without it /ws answers 403. Each answer has the number of its connection.
// /status/N answers N, /slow a body in two pieces, /echo the request's body, /to
// redirects to what its query says.
func serveLogin(l net.Listener) error {
	var connections atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.FormValue("name") != "me" {
			http.Error(w, "who are you?", http.StatusForbidden)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "login", Value: "hidden-thing", Path: "/"})
		fmt.Fprintf(w, "welcome on connection %v\n", r.Context().Value(connectionKey{}))
	})
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("login"); err != nil {
			http.Error(w, "log in first", http.StatusForbidden)
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow() //nolint:errcheck // it has ended
		text := fmt.Sprintf("connection %v", r.Context().Value(connectionKey{}))
		err = c.Write(r.Context(), websocket.MessageText, []byte(text))
		for err == nil {
			_, _, err = c.Read(r.Context())
		}
	})
	mux.HandleFunc("/status/{status}", func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.PathValue("status"))
		http.Error(w, "as you wish", status)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Method", r.Method)
		w.Header().Set("X-Type", r.Header.Get("Content-Type"))
		w.Header().Set("X-User", r.Header.Get("Authorization"))
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.FormValue("status"))
		http.Redirect(w, r, r.FormValue("url"), status)
	})
	mux.HandleFunc("/binary", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = w.Write([]byte{0, 255, 27})
		w.Header().Set("X-Sum", "3")
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "half\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	srv := &http.Server{
		Handler:   mux,
		Protocols: new(http.Protocols),
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, connections.Add(1))
		},
	}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	if err := h2.ConfigureServer(srv, nil); err != nil {
		return err
	}
	return srv.Serve(l)
}
