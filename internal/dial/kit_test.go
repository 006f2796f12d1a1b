package dial_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/leakcheck"
	"github.com/lariat-go/websocket/internal/rawserver"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// within returns a context that ends in good time before the test does.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// serve has rawserver serve connections, over TLS if there is a configuration.
func serve(t testing.TB, config *tls.Config, handle func(c net.Conn)) (host, port string) {
	t.Helper()
	l := rawserver.Listen(t)
	if config != nil {
		l = tls.NewListener(l, config)
	}
	host, port, _ = net.SplitHostPort(rawserver.Serve(t, l, handle))
	return host, port
}

// authority returns the configurations of a TLS server for 127.0.0.1, and of a
// client that trusts it and no other. The server knows its name by the client's.
func authority(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"target.example"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	own := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	roots := x509.NewCertPool()
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{own}}, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}}
}

// fake is the other end of a test: proxies, and the target behind them.
type fake struct {
	t     testing.TB
	said  atomic.Int32 // proxies that have said yes
	mu    sync.Mutex
	asked []string // what they were asked to connect to
}

// note notes what a proxy was asked for.
func (f *fake) note(to string) {
	f.mu.Lock()
	f.asked = append(f.asked, to)
	f.mu.Unlock()
}

// target serves lines: each is said again. The first byte must not come before
// hops proxies have said yes.
func (f *fake) target(config *tls.Config, hops int) (host, port string) {
	return serve(f.t, nil, func(c net.Conn) {
		c = &firstByte{Conn: c, f: f, hops: hops}
		if config != nil {
			c = tls.Server(c, config)
		}
		io.Copy(c, c)
	})
}

// firstByte looks when the first byte comes.
type firstByte struct {
	net.Conn
	f    *fake
	hops int
	came bool
}

func (c *firstByte) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.came {
		c.came = true
		if said := int(c.f.said.Load()); said != c.hops {
			c.f.t.Errorf("the target got %d bytes when %d of %d proxies had said yes", n, said, c.hops)
		}
	}
	return n, err
}

// proxy serves as a proxy of a scheme, with a password where auth is not empty,
// and returns how it is reached. A TLS one wants a certificate.
func (f *fake) proxy(scheme, auth string) *dial.Proxy {
	p, tenant := &dial.Proxy{Scheme: scheme}, ""
	answer := f.httpProxy
	if strings.HasPrefix(scheme, "socks") {
		answer = f.socksProxy
	}
	var config *tls.Config
	if scheme == "https" {
		config, p.TLSConfig = authority(f.t)
		config.ClientAuth = tls.RequireAnyClientCert
	} else if scheme == "http" {
		tenant = "t"
		p.Header = http.Header{"x-tenant": {tenant}}
	}
	p.Host, p.Port = serve(f.t, config, func(c net.Conn) {
		if err := answer(c, auth, tenant); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
			f.t.Logf("%s proxy: %v", scheme, err)
		}
	})
	return p
}

// yes connects to the server, says so by answer and lets the bytes through.
// Nothing may have been sent for the server before.
func (f *fake) yes(c net.Conn, in *bufio.Reader, to, answer, no string) error {
	f.note(to)
	server, err := net.Dial("tcp", to)
	if err != nil {
		io.WriteString(c, no)
		return err
	}
	defer server.Close()
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := in.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		f.t.Errorf("sent before the proxy's answer: %q, %v", first(in), err)
	}
	c.SetReadDeadline(time.Time{})
	f.said.Add(1)
	if _, err := io.WriteString(c, answer); err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		io.Copy(c, server)
		c.Close()
	})
	io.Copy(server, io.MultiReader(bytesOf(in), c))
	server.Close()
	wg.Wait()
	return nil
}

func first(in *bufio.Reader) []byte {
	p, _ := in.Peek(in.Buffered())
	return p
}

// bytesOf gives what is buffered.
func bytesOf(in *bufio.Reader) io.Reader { return io.LimitReader(in, int64(in.Buffered())) }

func (f *fake) httpProxy(c net.Conn, auth, tenant string) error {
	in := bufio.NewReader(c)
	r, err := http.ReadRequest(in)
	if err != nil {
		return err
	}
	if r.Method != http.MethodConnect || r.Host != r.RequestURI || r.Header.Get("X-Tenant") != tenant {
		io.WriteString(c, "HTTP/1.1 400 x\r\n\r\n")
		return errors.New("a strange request")
	}
	want := ""
	if auth != "" {
		want = "Basic " + base64.StdEncoding.EncodeToString([]byte(auth))
	}
	if r.Header.Get("Proxy-Authorization") != want {
		io.WriteString(c, "HTTP/1.1 407 x\r\n\r\n")
		return errors.New("a wrong password")
	}
	return f.yes(c, in, r.RequestURI, "HTTP/1.1 200 x\r\n\r\n", "HTTP/1.1 502 x\r\n\r\n")
}

func (f *fake) socksProxy(c net.Conn, auth, _ string) error {
	in := bufio.NewReader(c)
	take := func(n byte) []byte {
		p := make([]byte, n)
		io.ReadFull(in, p)
		return p
	}
	methods := take(take(2)[1])
	switch {
	case auth == "":
		c.Write([]byte{5, 0})
	case strings.Contains(string(methods), "\x02"):
		c.Write([]byte{5, 2})
		user := string(take(take(2)[1]))
		if user+":"+string(take(take(1)[0])) != auth {
			c.Write([]byte{1, 1})
			return errors.New("a wrong password")
		}
		c.Write([]byte{1, 0})
	default:
		c.Write([]byte{5, 0xff})
		return errors.New("no password")
	}
	var host string
	switch h := take(4); h[3] {
	case 1:
		host = net.IP(take(4)).String()
	case 3:
		host = string(take(take(1)[0]))
	default:
		return io.EOF
	}
	port := strconv.Itoa(int(binary.BigEndian.Uint16(take(2))))
	return f.yes(c, in, net.JoinHostPort(host, port), "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50", "\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00")
}
