// Pion's TURN client with a TCP relay (RFC 6062): turnclient SERVER USER PASSWORD. It connects to a peer and is connected to by one,
// both of its own, and carries a megabyte each way each time.
package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/pion/turn/v5"
)

const size = 1 << 20

// echo sends back what it gets, and ends when the other one has.
func echo(conn net.Conn) {
	_, _ = io.Copy(conn, conn)
	_ = conn.Close()
}

func roundTrip(conn net.Conn) error {
	sent := make([]byte, size)
	if _, err := rand.Read(sent); err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		failed <- err
	}()
	got := make([]byte, size)
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if err := <-failed; err != nil {
		return err
	}
	if !bytes.Equal(sent, got) {
		return fmt.Errorf("what came back is something else")
	}
	return conn.Close()
}

func allocate(server, user, password string) (*turn.Client, error) {
	conn, err := net.Dial("tcp", server)
	if err != nil {
		return nil, err
	}
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: server, Conn: turn.NewSTUNConn(conn), Username: user, Password: password, Realm: "example.org",
	})
	if err != nil {
		return nil, err
	}
	return client, client.Listen()
}

func run(server, user, password string) error {
	client, err := allocate(server, user, password)
	if err != nil {
		return err
	}
	defer client.Close()
	relay, err := client.AllocateTCP()
	if err != nil {
		return fmt.Errorf("allocate: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		if conn, accepted := listener.Accept(); accepted == nil {
			echo(conn)
		}
	}()
	out, err := relay.Dial("tcp", listener.Addr().String())
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	if err := roundTrip(out); err != nil {
		return fmt.Errorf("after dial: %w", err)
	}
	if err := client.CreatePermission(listener.Addr()); err != nil {
		return fmt.Errorf("permission: %w", err)
	}
	peer, err := net.Dial("tcp", relay.Addr().String())
	if err != nil {
		return fmt.Errorf("the peer: %w", err)
	}
	go echo(peer)
	in, err := relay.Accept()
	if err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	if err := roundTrip(in); err != nil {
		return fmt.Errorf("after accept: %w", err)
	}
	return relay.Close()
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("turnclient SERVER USER PASSWORD")
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
	fmt.Println("ok")
}
