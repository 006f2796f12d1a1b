package interop_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// alone runs a test again in a process with a network of its own, in which
// packets can be lost and names mean what the test says (see names). It returns
// true there. The network ends with the process, however that ends.
//
//	if !alone(t) {
//		return
//	}
func alone(t *testing.T) bool {
	t.Helper()
	const key = "LARIAT_INTEROP_ALONE"
	if os.Getenv(key) == t.Name() {
		for _, addr := range []string{"127.0.0.1", "2001:db8::1", "2001:db8::2"} {
			awaitAddress(t, addr)
		}
		return true
	}
	unshare := needProgram(t, "unshare")
	needDaemon(t, "ip")
	needDaemon(t, "iptables")
	args := []string{"--net", "--mount", "--kill-child"}
	if os.Geteuid() != 0 {
		args = append(args, "--user", "--map-root-user")
	}
	if out, err := exec.Command(unshare, append(args, "true")...).CombinedOutput(); err != nil {
		absent(t, fmt.Sprintf("the right to make a network namespace (%.200s)", out))
	}
	resolver := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolver, []byte("nameserver 127.0.0.53\noptions timeout:5 attempts:2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const script = `
ip link set lo up &&
ip address add 2001:db8::1/128 dev lo nodad &&
ip address add 2001:db8::2/128 dev lo nodad &&
mount --bind "$1" /etc/resolv.conf &&
exec "$2" -test.run="^$3\$" -test.count=1 -test.parallel=4 -test.v`
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, unshare, append(args, "sh", "-c", script, "sh", resolver, self, t.Name())...)
	cmd.Env = append(os.Environ(), key+"="+t.Name(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	return false
}

// awaitAddress waits until an address can be reached, which a busy kernel may take a
// moment for. Nobody listens there: that it is refused says that it can.
func awaitAddress(t *testing.T, addr string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(addr, "9"), 100*time.Millisecond)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if err == nil {
			_ = c.Close()
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s cannot be reached: %v", addr, err)
		}
	}
}

// firewall changes the rules for packets that come in.
func firewall(t *testing.T, rule ...string) {
	t.Helper()
	program := "iptables"
	for _, word := range rule {
		if addr, err := netip.ParseAddr(word); err == nil && addr.Is6() {
			program = "ip6tables"
		}
	}
	if out, err := exec.Command(program, append([]string{"-w"}, rule...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", program, strings.Join(rule, " "), err, out)
	}
}

// silence has all packets of TCP from and to a port be lost, until it is called
// again with false.
func silence(t *testing.T, port int, on bool) {
	t.Helper()
	what := "-A"
	if !on {
		what = "-D"
	}
	for _, end := range []string{"--dport", "--sport"} {
		firewall(t, what, "INPUT", "-p", "tcp", end, fmt.Sprint(port), "-j", "DROP")
	}
}

// names is a server of names, the only one in the network of a test that is alone.
type names map[string][]string

// serve answers until the test ends.
func (n names) serve(t *testing.T) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.53:53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			size, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if err := m.Unpack(buf[:size]); err != nil || len(m.Questions) != 1 {
				continue
			}
			n.answer(&m)
			if p, err := m.Pack(); err == nil {
				_, _ = c.WriteTo(p, from)
			}
		}
	}()
}

func (n names) answer(m *dnsmessage.Message) {
	q := m.Questions[0]
	*m = dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true, RecursionAvailable: true}, Questions: m.Questions}
	addrs, ok := n[strings.TrimSuffix(q.Name.String(), ".")]
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, text := range addrs {
		a := netip.MustParseAddr(text)
		r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			r.Body = &dnsmessage.AResource{A: a.As4()}
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			r.Body = &dnsmessage.AAAAResource{AAAA: a.As16()}
		default:
			continue
		}
		m.Answers = append(m.Answers, r)
	}
}
