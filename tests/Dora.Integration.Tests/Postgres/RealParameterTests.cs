using Dora.Engines.Postgres;
using Npgsql;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>What is said of parameters, against a real server's own word.</summary>
public sealed class RealParameterTests(PostgresServer server) : IClassFixture<PostgresServer>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("work_mem", "64")]
    [InlineData("work_mem", "63")]
    [InlineData("work_mem", "64kB")]
    [InlineData("work_mem", "1 GB")]
    [InlineData("work_mem", "3TB")]
    [InlineData("work_mem", "1s")]
    [InlineData("work_mem", "64Mb")]
    [InlineData("work_mem", "-1")]
    [InlineData("statement_timeout", "10min")]
    [InlineData("statement_timeout", "24d")]
    [InlineData("statement_timeout", "25d")]
    [InlineData("statement_timeout", "5MB")]
    [InlineData("temp_buffers", "800kB")]
    [InlineData("temp_buffers", "100")]
    [InlineData("temp_buffers", "99")]
    [InlineData("random_page_cost", "1.1")]
    [InlineData("random_page_cost", "cheap")]
    [InlineData("jit", "off")]
    [InlineData("jit", "sometimes")]
    [InlineData("default_transaction_isolation", "REPEATABLE READ")]
    [InlineData("default_transaction_isolation", "loose")]
    [InlineData("no_such_parameter", "1")]
    [InlineData("some_extension.parameter", "1")]
    [InlineData("block_size", "8192")]
    public async Task The_server_agrees_with_the_verdict_on_a_value(string name, string value)
    {
        var plan = server.Plan with { Parameters = new Dictionary<string, string> { [name] = value } };
        await using var source = PostgresSql.Source(plan, PostgresServer.Target("app"), "127.0.0.1", server.Port);
        var facts = await PostgresQueries.ParametersAsync(source, plan, Token);
        Assert.Equal(await TakesAsync(source, name, value), ParameterFacts.Problem(plan.Parameters, facts, "15") is null);
    }

    [Fact]
    public async Task Every_parameter_that_may_be_set_may_have_the_value_that_it_has()
    {
        await using var source = PostgresSql.Source(server.Plan, PostgresServer.Target("app"), "127.0.0.1", server.Port);
        await using var command = source.CreateCommand("SELECT name, setting FROM pg_settings WHERE context <> 'internal' AND name !~ '[A-Z]'");
        var all = new Dictionary<string, string>();
        await using (var reader = await command.ExecuteReaderAsync(Token))
        {
            while (await reader.ReadAsync(Token))
            {
                if (!PostgresParameters.Check(server.Plan with { Parameters = new Dictionary<string, string> { [reader.GetString(0)] = reader.GetString(1) } }).Any(violation => !violation.Problem.Contains("empty", StringComparison.Ordinal)))
                    all[reader.GetString(0)] = reader.GetString(1);
            }
        }

        Assert.True(all.Count > 200, $"{all.Count} parameters");
        var facts = await PostgresQueries.ParametersAsync(source, server.Plan with { Parameters = all }, Token);
        Assert.Null(ParameterFacts.Problem(all, facts, "15"));
        Assert.All(PostgresParameters.PrimaryFirst.Keys, name => Assert.Contains(facts, fact => fact.Name == name && fact.Context == "postmaster"));
    }

    private static async Task<bool> TakesAsync(NpgsqlDataSource source, string name, string value)
    {
        await using var command = source.CreateCommand("SELECT set_config($1, $2, true)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = value });
        try
        {
            await command.ExecuteNonQueryAsync(Token);
            return true;
        }
        catch (PostgresException)
        {
            return false;
        }
    }
}
