using System.Globalization;
using Dora.Agent.Backups;
using Dora.Integration.Tests.Postgres;
using Dora.Testing;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>Databases are dumped to a real object store by the pod's own scripts and the agent, and restored into others.</summary>
[Collection(ObjectStoreTests.Name)]
public sealed class RealPostgresDumpTests(ObjectStoreServer store, PostgresServer postgres) : IClassFixture<PostgresServer>
{
    private const string Id = "20261121t030000z-a1b2c3";
    private const string Password = "backup-Zk3w9Rt5";

    private static int count;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_database_comes_back_row_by_row_as_it_was_when_the_dump_began()
    {
        var (bucket, source, target) = (await store.BucketAsync(), await DatabaseAsync(), await DatabaseAsync());
        await ExecuteAsync(source, "CREATE TABLE orders (id bigint PRIMARY KEY, note text); INSERT INTO orders SELECT n, 'note ' || n || E'\\n\\t\\\\.' FROM generate_series(1, 5000) n; CREATE TABLE empty (); CREATE VIEW large AS SELECT * FROM orders WHERE id > 4000");
        using var backup = new AgentRun(store, bucket, Id, "postgres-dump", engine: "postgres");
        Assert.Equal(0, await BackupAsync(backup, source));
        using var restore = new AgentRun(store, bucket, Id, "postgres-dump", engine: "postgres");
        Assert.Equal(0, await RestoreAsync(restore, target));

        Assert.Equal("5000", (string?)backup.Report["facts"]!["count:rows"]);
        Assert.Equal("5000", (string?)backup.Report["facts"]!["count:rows:public.orders"]);
        Assert.Equal((string?)backup.Report["facts"]!["count:rows"], (string?)restore.Report["facts"]!["count:rows"]);
        const string Digest = "SELECT md5(string_agg(o::text, '|' ORDER BY id)) FROM orders o";
        Assert.Equal(await AskAsync(source, Digest), await AskAsync(target, Digest));
        Assert.Equal("1000", await AskAsync(target, "SELECT count(*) FROM large"));
    }

    [Theory]
    [InlineData("schema", "0")]
    [InlineData("data", "3")]
    public async Task Parts_of_a_database_can_be_dumped(string parts, string rows)
    {
        var (bucket, source) = (await store.BucketAsync(), await DatabaseAsync());
        await ExecuteAsync(source, "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 3)");
        using var run = new AgentRun(store, bucket, Id, "postgres-dump", engine: "postgres");

        Assert.Equal(0, await BackupAsync(run, source, parts));
        Assert.Equal(rows, (string?)run.Report["facts"]!["count:rows"]);
    }

    [Fact]
    public async Task Tables_come_back_without_rows_and_rows_into_tables_that_have_none()
    {
        var (schema, data, source, target) = (await store.BucketAsync(), await store.BucketAsync(), await DatabaseAsync(), await DatabaseAsync());
        await ExecuteAsync(source, "CREATE TABLE orders (id bigserial PRIMARY KEY, note text); CREATE TABLE parts (id bigint REFERENCES orders); INSERT INTO orders (note) SELECT 'note ' || n FROM generate_series(1, 100) n; INSERT INTO parts SELECT n FROM generate_series(1, 10) n");
        using var tables = new AgentRun(store, schema, Id, "postgres-dump", engine: "postgres");
        using var rows = new AgentRun(store, data, Id, "postgres-dump", engine: "postgres");
        Assert.Equal((0, 0), (await BackupAsync(tables, source, "schema"), await BackupAsync(rows, source, "data")));
        Assert.Equal(("schema", "data"), ((string?)tables.Report["facts"]!["parts"], (string?)rows.Report["facts"]!["parts"]));

        Assert.Contains("has no tables", await RefusedAsync(data, target), StringComparison.Ordinal);
        using var first = new AgentRun(store, schema, Id, "postgres-dump", engine: "postgres");
        using var second = new AgentRun(store, data, Id, "postgres-dump", engine: "postgres");
        Assert.Equal((0, 0), (await RestoreAsync(first, target), await RestoreAsync(second, target, ("PARTS", "data"))));
        Assert.Equal("Verified", (string?)second.Report["comparison"]);
        Assert.Equal(("100", "10", "101"), (await AskAsync(target, "SELECT count(*) FROM orders"), await AskAsync(target, "SELECT count(*) FROM parts"), await AskAsync(target, "SELECT nextval('orders_id_seq')")));

        Assert.Contains("table orders of database", await RefusedAsync(data, target), StringComparison.Ordinal);
    }

    // As the operator makes databases that are declared, with what it keeps in them for the pooler.
    [Fact]
    public async Task The_owner_of_an_empty_database_restores_into_it_beside_what_the_operator_keeps_there()
    {
        var (bucket, source, target) = (await store.BucketAsync(), await DatabaseAsync(), await DatabaseAsync());
        const string Pooler = "CREATE SCHEMA pooler; CREATE FUNCTION pooler.user_lookup() RETURNS int LANGUAGE sql AS 'SELECT 1'";
        await ExecuteAsync(source, $"{Pooler}; CREATE TABLE orders (id bigint PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 3)");
        await ExecuteAsync(target, $"{Pooler}; CREATE ROLE owner_of_{target} NOLOGIN; CREATE ROLE login_of_{target} LOGIN PASSWORD '{Password}' IN ROLE owner_of_{target}; ALTER DATABASE {target} OWNER TO owner_of_{target}");
        using var backup = new AgentRun(store, bucket, Id, "postgres-dump", engine: "postgres");
        Assert.Equal(0, await BackupAsync(backup, source));
        using var restore = new AgentRun(store, bucket, Id, "postgres-dump", engine: "postgres");

        Assert.Equal(0, await RestoreAsync(restore, target, ("PGUSER", $"login_of_{target}"), ("PGPASSWORD", Password), ("ROLE", $"owner_of_{target}")));
        Assert.Equal("Verified", (string?)restore.Report["comparison"]);
        Assert.Equal($"owner_of_{target}", await AskAsync(target, "SELECT tableowner FROM pg_tables WHERE tablename = 'orders'"));
    }

    [Fact]
    public async Task A_database_that_holds_anything_is_not_written_over()
    {
        var (bucket, source, target) = (await store.BucketAsync(), await DatabaseAsync(), await DatabaseAsync());
        await ExecuteAsync(source, "CREATE TABLE t (id int)");
        await ExecuteAsync(target, "CREATE TABLE mine (id int)");
        using var run = new AgentRun(store, bucket, Id, "postgres-dump", engine: "postgres");
        await BackupAsync(run, source);
        using var restore = new AgentRun(store, bucket, Id, "postgres-dump", engine: "postgres");

        Assert.Equal(1, await RestoreAsync(restore, target));
        Assert.Contains("holds 1 relations already", (string)restore.Report["message"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_restore_that_breaks_off_leaves_an_empty_database()
    {
        var (bucket, source, target) = (await store.BucketAsync(), await DatabaseAsync(), await DatabaseAsync());
        await ExecuteAsync(source, "CREATE TABLE t (id int, filler text); INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, 60000) n");
        using var run = new AgentRun(store, bucket, Id, "postgres-dump", engine: "postgres");
        Assert.Equal(0, await BackupAsync(run, source));
        await FlipAsync(bucket);
        using var restore = new AgentRun(store, bucket, Id, "postgres-dump", engine: "postgres");

        Assert.Equal(1, await RestoreAsync(restore, target));
        Assert.Equal("BackupBroken", (string?)restore.Report["reason"]);
        Assert.Equal("0", await AskAsync(target, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"));
    }

    // pg_restore reads no further than it must, and so may be done long before the agent has come to the end.
    [Fact]
    public async Task A_restore_waits_for_the_agents_word_however_late_it_comes()
    {
        var (source, target) = (await DatabaseAsync(), await DatabaseAsync());
        await ExecuteAsync(source, "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 3)");
        using var run = new AgentRun(store, "none", Id, "postgres-dump", engine: "postgres");
        var dump = Path.Combine(run.Stage, "dump");
        await HackScript.RunAsync("pg_dump", "--format=custom", "--compress=0", $"--file={dump}", $"--dbname=postgresql://postgres:{PostgresServer.SuperuserPassword}@127.0.0.1:{postgres.Port}/{source}");
        await run.PrepareAsync(Token);
        await using var tool = run.Tool("Postgres/scripts/restore-postgres.sh", Login("postgres", PostgresServer.SuperuserPassword, target));
        await using (var pipe = File.OpenWrite(Path.Combine(run.Stage, "data")))
        {
            await pipe.WriteAsync(await File.ReadAllBytesAsync(dump, Token), Token);
            await pipe.FlushAsync(Token);
            await Task.Delay(TimeSpan.FromSeconds(2), Token);
            await File.WriteAllTextAsync(Path.Combine(run.Stage, "verdict"), "ok\n", Token);
        }

        await tool.EndedAsync(Token);

        Assert.StartsWith("exit=0", await File.ReadAllTextAsync(Path.Combine(run.Stage, "outcome"), Token), StringComparison.Ordinal);
        Assert.Equal("3", await AskAsync(target, "SELECT count(*) FROM t"));
    }

    [Fact]
    public async Task A_dump_becomes_a_cluster_that_the_servers_can_start_with()
    {
        var (bucket, source) = (await store.BucketAsync(), await DatabaseAsync());
        await ExecuteAsync(source, "CREATE TABLE orders (id bigint PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 3)");
        using var backup = new AgentRun(store, bucket, Id, "postgres-dump", engine: "postgres");
        Assert.Equal(0, await BackupAsync(backup, source));
        using var restore = new AgentRun(store, bucket, Id, "postgres-dump", engine: "postgres");
        var passwords = new[] { "SUPERUSER_PASSWORD", "REPLICATION_PASSWORD", "REWIND_PASSWORD", "APP_PASSWORD" }.Select(name => (name, "it's one")).ToArray();

        Assert.Equal(0, await LoadAsync(restore, [.. passwords, ("APP_USERNAME", "app"), ("REPLICATION_USERNAME", "standby.b")]));
        Assert.Equal("Verified", (string?)restore.Report["comparison"]);
        Assert.Contains("\"app,postgres,rewind,standby.b\"", await SingleAsync(restore, "postgres", "SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_authid WHERE rolpassword LIKE 'SCRAM%'"), StringComparison.Ordinal);
        Assert.Contains("\"3 app\"", await SingleAsync(restore, "app", "SELECT (SELECT count(*) FROM orders) || ' ' || tableowner FROM pg_tables WHERE tablename = 'orders'"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("SELECT count(*) FROM orders", "3", 0)]
    [InlineData("SELECT count(*) FROM orders", "4", 1)]
    // Not a command of psql's, and nothing that only a superuser may.
    [InlineData("\\! echo 3", "3", 1)]
    [InlineData("SELECT 3 FROM pg_read_file('/etc/passwd')", "3", 1)]
    public async Task A_drill_of_a_dump_asks_what_is_known(string query, string expected, int code)
    {
        var (bucket, source) = (await store.BucketAsync(), await DatabaseAsync());
        await ExecuteAsync(source, "CREATE TABLE orders (id bigint PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 3)");
        using var backup = new AgentRun(store, bucket, Id, "postgres-dump", engine: "postgres");
        Assert.Equal(0, await BackupAsync(backup, source));
        using var restore = new AgentRun(store, bucket, Id, "postgres-dump", engine: "postgres");
        var checks = Path.Combine(restore.Stage, "checks");
        Directory.CreateDirectory(checks);
        await File.WriteAllTextAsync(Path.Combine(checks, "orders.query"), query, Token);
        await File.WriteAllTextAsync(Path.Combine(checks, "orders.expect"), expected, Token);

        Assert.Equal(code, await LoadAsync(restore, ("DRILL", "1"), ("CHECKS", checks)));
        Assert.Equal(code == 0 ? "Completed" : "CheckFailed", (string?)restore.Report["reason"]);
    }

    [Fact]
    public async Task A_database_that_is_not_there_is_named_and_nothing_is_stored()
    {
        using var run = new AgentRun(store, await store.BucketAsync(), Id, "postgres-dump", engine: "postgres");
        await DatabaseAsync();

        Assert.Equal(1, await BackupAsync(run, "nowhere"));
        Assert.Equal("ToolFailed", (string?)run.Report["reason"]);
        Assert.Contains("\"nowhere\" does not exist", (string)run.Report["message"]!, StringComparison.Ordinal);
    }

    private async Task<int> BackupAsync(AgentRun run, string database, string parts = "all")
    {
        await run.PrepareAsync(Token);
        await using var tool = run.Tool("Postgres/scripts/backup-postgres.sh", [.. Login("backup", Password, database), ("PARTS", parts)]);
        var code = await run.AgentAsync(BackupCommands.Backup(), Token);
        await tool.EndedAsync(Token);
        return code;
    }

    private async Task<string> RefusedAsync(string bucket, string database)
    {
        using var run = new AgentRun(store, bucket, Id, "postgres-dump", engine: "postgres");
        Assert.Equal(1, await RestoreAsync(run, database, ("PARTS", "data")));
        return (string)run.Report["message"]!;
    }

    private async Task<int> RestoreAsync(AgentRun run, string database, params (string Name, string Value)[] more)
    {
        await run.PrepareAsync(Token);
        await using var tool = run.Tool("Postgres/scripts/restore-postgres.sh", [.. Login("postgres", PostgresServer.SuperuserPassword, database), .. more]);
        var code = await run.AgentAsync(BackupCommands.Restore(), Token);
        await tool.EndedAsync(Token);
        return code;
    }

    private static async Task<int> LoadAsync(AgentRun run, params (string Name, string Value)[] environment)
    {
        await run.PrepareAsync(Token);
        var data = Path.Combine(run.Stage, "volume");
        Directory.CreateDirectory(data);
        await HackScript.RunAsync("chown", "-R", "postgres:postgres", run.Stage);
        var variables = new Dictionary<string, string> { ["PATH"] = "/usr/lib/postgresql/15/bin:/usr/bin:/bin", ["STAGE"] = run.Stage, ["DATA"] = data, ["PGDATABASE"] = "app" };
        foreach (var (name, value) in environment)
            variables[name] = value;
        await using var tool = new ChildProcess("setpriv", ["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--", "bash", Path.Combine(GoldenFile.RepositoryRoot, "src", "Dora.Engines", "Postgres", "scripts", "load-postgres.sh")], variables);
        var code = await run.AgentAsync(BackupCommands.Restore(), Token);
        await tool.EndedAsync(Token);
        return code;
    }

    // The server without its network: whether it starts on the data, and what it holds.
    private static async Task<string> SingleAsync(AgentRun run, string database, string query)
    {
        await using var server = new ChildProcess("setpriv", ["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--", "bash", "-c", $"echo \"{query}\" | /usr/lib/postgresql/15/bin/postgres --single -D {run.Stage}/volume/data {database}"]);
        await server.EndedAsync(Token);
        return server.Output;
    }

    private (string, string)[] Login(string user, string password, string database) =>
        [("PGHOST", "127.0.0.1"), ("PGPORT", postgres.Port.ToString(CultureInfo.InvariantCulture)), ("PGUSER", user), ("PGPASSWORD", password), ("PGDATABASE", database), ("PGSSLMODE", "disable")];

    private async Task<string> DatabaseAsync()
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"dumped_{Interlocked.Increment(ref count)}");
        await ExecuteAsync("postgres", $"CREATE DATABASE {name}");
        await ExecuteAsync("postgres", $"DO $$ BEGIN CREATE ROLE backup LOGIN PASSWORD '{Password}' IN ROLE pg_read_all_data; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
        return name;
    }

    private async Task ExecuteAsync(string database, string statement)
    {
        await using var source = postgres.Source("postgres", PostgresServer.SuperuserPassword, database);
        await using var command = source.CreateCommand(statement);
        await command.ExecuteNonQueryAsync(Token);
    }

    private async Task<string?> AskAsync(string database, string query)
    {
        await using var source = postgres.Source("postgres", PostgresServer.SuperuserPassword, database);
        await using var command = source.CreateCommand(query);
        return (await command.ExecuteScalarAsync(Token))?.ToString();
    }

    private Task FlipAsync(string bucket) => store.FlipAsync(bucket, $"backups/payments/ledger/postgres/{Id}/data-00001", Token);
}
