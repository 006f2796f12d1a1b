package client_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/h2"
)

// connectProxy passes CONNECT on.
func connectProxy(t *testing.T) (addr string) {
	t.Helper()
	var tunnels sync.WaitGroup
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
			return
		}
		to, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		from, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			to.Close()
			return
		}
		tunnels.Go(func() { // nothing stands in buf: the client waits for the answer
			io.Copy(to, buf)
			to.Close()
		})
		tunnels.Go(func() {
			io.Copy(from, to)
			from.Close()
		})
	}))
	t.Cleanup(func() {
		srv.Close()
		tunnels.Wait()
	})
	return srv.Listener.Addr().String()
}

// The steps through a proxy to a server with TLS, with their addresses.
func TestHooksProxyAndTLS(t *testing.T) {
	for _, p := range []client.Protocol{client.HTTP1, client.HTTP2} {
		t.Run(p.String(), func(t *testing.T) {
			srv := httptest.NewUnstartedServer(site())
			if err := h2.ConfigureServer(srv.Config, nil); err != nil {
				t.Fatal(err)
			}
			srv.TLS = srv.Config.TLSConfig
			srv.StartTLS()
			defer srv.Close()
			roots := x509.NewCertPool()
			roots.AddCert(srv.Certificate())
			proxy := connectProxy(t)
			_, port, err := net.SplitHostPort(proxy)
			if err != nil {
				t.Fatal(err)
			}
			target := srv.Listener.Addr().String()

			var log hookLog
			hooks := log.hooks()
			noted := hooks.TLS
			var state *tls.ConnectionState
			hooks.TLS = func(s client.Step) {
				noted(s)
				if s.Done {
					state = s.TLS
				}
			}
			hooks.Lookup = func(s client.Step) {
				if s.Done && (s.Err != nil || !slices.Contains(s.Addrs, "127.0.0.1")) {
					t.Errorf("lookup: %v, %v", s.Addrs, s.Err)
				}
				log.add("lookup", s.Addr, s.Done)
			}
			c, err := client.Open("https://"+target, &client.Options{
				Protocols: []client.Protocol{p}, TLSConfig: &tls.Config{RootCAs: roots}, Hooks: hooks,
				Proxies: []client.Proxy{{URL: "http://localhost:" + port}},
			})
			if err != nil {
				t.Fatal(err)
			}
			up(t, c)
			if body, err := get(t, c, "/hello"); err != nil || body != "GET /hello" {
				t.Errorf("%q, %v", body, err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			got := strings.NewReplacer(target, "TARGET", proxy, "PROXY", "localhost:"+port, "PROXYNAME", "[::1]:"+port, "PROXY").Replace(strings.Join(log.list, "\n"))
			want := strings.Join([]string{
				"attempt 1 5", "lookup localhost false", "lookup localhost true",
				"connect PROXYNAME begins", "connect PROXYNAME done [PROXY]",
				"proxy PROXYNAME begins", "proxy PROXYNAME done []",
				"TLS TARGET begins", "TLS TARGET done []", "up " + p.String(),
				"request 1 begin GET /hello", "request 1 head GET /hello", "request 1 end GET /hello", "response 1 head 200", "response 1 end 0",
				"disconnect", "terminate",
			}, "\n")
			if got != want {
				t.Errorf("hooks:\n%s\nwant:\n%s", got, want)
			}
			if state == nil || state.Version < tls.VersionTLS12 {
				t.Errorf("state of TLS: %+v", state)
			}
		})
	}
}
