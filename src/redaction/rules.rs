//! The built-in rules, as data.
//!
//! Most credentials begin with a prefix that their issuer chose so that scanners can find them. A rule states the
//! prefix, the characters that follow the prefix, and their number. `shapes.rs` and `assignment.rs` have the
//! credentials of other forms.

use std::borrow::Cow;

use super::alphabet::*;

/// The condition for the text after the prefix, which tells a secret from a word. A placeholder such as `xxxx` never
/// fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Any text fits.
    Any,
    /// The text must have a digit, or letters in both cases.
    Mixed,
    /// The text must look random.
    Random,
}

/// A credential that begins with a certain prefix.
#[derive(Debug, Clone)]
pub(super) struct Prefixed {
    /// The name in the marker.
    pub(super) name: Cow<'static, str>,
    pub(super) prefix: Cow<'static, str>,
    /// The characters after the prefix.
    pub(super) alphabet: Alphabet,
    /// The smallest and the largest number of characters after the prefix.
    pub(super) len: (usize, usize),
    pub(super) need: Need,
    /// True for a rule of the user.
    pub(super) is_own: bool,
}

const fn rule(
    name: &'static str,
    prefix: &'static str,
    alphabet: Alphabet,
    min: usize,
    max: usize,
    need: Need,
) -> Prefixed {
    Prefixed {
        name: Cow::Borrowed(name),
        prefix: Cow::Borrowed(prefix),
        alphabet,
        len: (min, max),
        need,
        is_own: false,
    }
}

const fn any(name: &'static str, prefix: &'static str, alphabet: Alphabet, min: usize) -> Prefixed {
    rule(name, prefix, alphabet, min, usize::MAX, Need::Any)
}

const fn mixed(name: &'static str, prefix: &'static str, alphabet: Alphabet, min: usize) -> Prefixed {
    rule(name, prefix, alphabet, min, usize::MAX, Need::Mixed)
}

const fn random(name: &'static str, prefix: &'static str, alphabet: Alphabet, min: usize) -> Prefixed {
    rule(name, prefix, alphabet, min, usize::MAX, Need::Random)
}

/// The rules. If two rules fit at one position, the first of them applies.
pub(super) static PREFIXED: &[Prefixed] = &[
    // Vendors of models.
    mixed("anthropic-key", "sk-ant-", URL, 16),
    mixed("openrouter-key", "sk-or-", URL, 20),
    mixed("langfuse-key", "sk-lf-", URL, 20),
    mixed("openai-key", "sk-proj-", URL, 20),
    mixed("openai-key", "sk-svcacct-", URL, 20),
    mixed("openai-key", "sk-admin-", URL, 20),
    mixed("openai-key", "sk-None-", URL, 20),
    mixed("openai-key", "sk-", ALNUM, 32),
    random("openai-key", "sk-", URL, 20),
    mixed("huggingface-token", "hf_", ALNUM, 30),
    mixed("huggingface-token", "api_org_", ALNUM, 30),
    mixed("groq-key", "gsk_", ALNUM, 40),
    mixed("xai-key", "xai-", ALNUM, 40),
    mixed("replicate-token", "r8_", ALNUM, 30),
    mixed("perplexity-key", "pplx-", ALNUM, 32),
    random("fireworks-key", "fw_", ALNUM, 20),
    mixed("langsmith-key", "lsv2_", WORD, 32),
    mixed("langsmith-key", "ls__", ALNUM, 32),
    mixed("posthog-key", "phc_", ALNUM, 32),
    mixed("posthog-key", "phx_", ALNUM, 32),
    mixed("pinecone-key", "pcsk_", WORD, 40),
    mixed("cerebras-key", "csk-", ALNUM, 40),
    mixed("nvidia-key", "nvapi-", URL, 40),
    mixed("together-key", "tgp_v1_", URL, 32),
    mixed("tavily-key", "tvly-", URL, 20),
    mixed("jina-key", "jina_", URL, 40),
    any("e2b-key", "e2b_", HEX, 40),
    any("firecrawl-key", "fc-", HEX, 32),
    random("voyage-key", "pa-", URL, 40),
    any("elevenlabs-key", "sk_", HEX, 40),
    mixed("runpod-key", "rpa_", ALNUM, 32),
    mixed("wandb-key", "wandb_v1_", WORD, 32),
    // Clouds.
    rule("aws-access-key-id", "AKIA", UPPER, 16, 16, Need::Any),
    rule("aws-access-key-id", "ASIA", UPPER, 16, 16, Need::Mixed),
    rule("aws-access-key-id", "ABIA", UPPER, 16, 16, Need::Mixed),
    rule("aws-access-key-id", "ACCA", UPPER, 16, 16, Need::Mixed),
    random("aws-bedrock-key", "ABSK", BASE64, 100),
    mixed("aws-bedrock-key", "bedrock-api-key-", BASE64, 30),
    mixed("aws-session-token", "FwoGZXIvYXdz", BASE64, 50),
    mixed("aws-session-token", "IQoJb3JpZ2lu", BASE64, 50),
    mixed("google-api-key", "AIza", URL, 30),
    mixed("google-oauth-token", "ya29.", URL_DOTS, 20),
    mixed("google-client-secret", "GOCSPX-", URL, 20),
    random("google-refresh-token", "1//0", URL, 35),
    any("digitalocean-token", "dop_v1_", HEX, 40),
    any("digitalocean-token", "doo_v1_", HEX, 40),
    any("digitalocean-token", "dor_v1_", HEX, 40),
    any("databricks-token", "dapi", HEX, 32),
    random("alibaba-key-id", "LTAI", ALNUM, 12),
    random("tencent-key-id", "AKID", ALNUM, 32),
    random("yandex-key", "AQVN", URL, 35),
    any("heroku-key", "HRKU-AA", URL, 50),
    mixed("fly-token", "fo1_", URL, 40),
    mixed("fly-token", "fm1a_", BASE64, 60),
    mixed("fly-token", "fm1r_", BASE64, 60),
    mixed("fly-token", "fm2_", BASE64, 60),
    mixed("netlify-token", "nfp_", ALNUM, 36),
    mixed("vercel-token", "vercel_blob_rw_", WORD, 30),
    random("render-key", "rnd_", ALNUM, 20),
    mixed("supabase-key", "sbp_", ALNUM, 40),
    mixed("supabase-key", "sb_secret_", URL, 20),
    mixed("planetscale-token", "pscale_tkn_", URL_DOTS, 30),
    mixed("planetscale-token", "pscale_oauth_", URL_DOTS, 30),
    mixed("planetscale-token", "pscale_pw_", URL_DOTS, 30),
    any("pulumi-token", "pul-", HEX, 40),
    mixed("openshift-token", "sha256~", URL, 40),
    mixed("tailscale-key", "tskey-", URL, 20),
    mixed("rancher-token", "kubeconfig-", URL.with(":"), 40),
    mixed("vault-token", "hvs.", URL, 20),
    mixed("vault-token", "hvb.", URL, 20),
    mixed("vault-token", "hvr.", URL, 20),
    mixed("doppler-token", "dp.pt.", ALNUM, 40),
    mixed("doppler-token", "dp.st.", URL_DOTS, 40),
    mixed("doppler-token", "dp.ct.", ALNUM, 40),
    mixed("doppler-token", "dp.sa.", ALNUM, 40),
    // Hosts of code and packages.
    any("github-token", "ghp_", ALNUM, 30),
    any("github-token", "gho_", ALNUM, 30),
    any("github-token", "ghu_", ALNUM, 30),
    any("github-token", "ghs_", ALNUM, 30),
    any("github-token", "ghr_", ALNUM, 30),
    any("github-token", "github_pat_", WORD, 36),
    mixed("gitlab-token", "glpat-", URL_DOTS, 20),
    mixed("gitlab-token", "gldt-", URL, 20),
    mixed("gitlab-token", "glcbt-", URL, 20),
    mixed("gitlab-token", "glffct-", URL, 20),
    mixed("gitlab-token", "glft-", URL, 20),
    mixed("gitlab-token", "glimt-", URL, 20),
    mixed("gitlab-token", "glagent-", URL, 40),
    mixed("gitlab-token", "gloas-", URL, 40),
    mixed("gitlab-token", "glptt-", HEX, 40),
    mixed("gitlab-token", "glrt-", URL_DOTS, 20),
    mixed("gitlab-token", "glrtr-", URL_DOTS, 20),
    mixed("gitlab-token", "glsoat-", URL, 20),
    mixed("gitlab-token", "GR1348941", URL, 20),
    mixed("atlassian-token", "ATATT3", URL.with("="), 60),
    random("atlassian-token", "ATCTT3", URL.with("="), 60),
    random("bitbucket-token", "ATBB", ALNUM, 28),
    mixed("npm-token", "npm_", ALNUM, 30),
    any("pypi-token", "pypi-AgE", URL, 40),
    random("crates-token", "cio", ALNUM, 32),
    any("rubygems-token", "rubygems_", HEX, 40),
    random("nuget-key", "oy2", ALNUM, 43),
    mixed("clojars-token", "CLOJARS_", ALNUM, 50),
    random("artifactory-key", "AKCp", ALNUM, 60),
    random("artifactory-key", "cmVmd", ALNUM, 59),
    mixed("docker-token", "dckr_pat_", URL, 20),
    mixed("docker-token", "dckr_oat_", URL, 20),
    mixed("sourcegraph-token", "sgp_", WORD, 40),
    mixed("postman-key", "PMAK-", URL, 50),
    mixed("figma-token", "figd_", URL, 36),
    // Messages and payments.
    mixed("slack-token", "xoxb-", URL, 12),
    mixed("slack-token", "xoxp-", URL, 12),
    mixed("slack-token", "xoxa-", URL, 12),
    mixed("slack-token", "xoxr-", URL, 12),
    mixed("slack-token", "xoxs-", URL, 12),
    mixed("slack-token", "xoxo-", URL, 12),
    mixed("slack-token", "xoxc-", URL, 12),
    mixed("slack-token", "xoxd-", TOKEN, 12),
    mixed("slack-token", "xoxe-", URL, 12),
    mixed("slack-token", "xoxe.", URL_DOTS, 12),
    mixed("slack-token", "xapp-", URL, 12),
    any("slack-webhook", "hooks.slack.com/services/", PATH, 20),
    any("slack-webhook", "hooks.slack.com/workflows/", PATH, 20),
    any("slack-webhook", "hooks.slack.com/triggers/", PATH, 20),
    any("discord-webhook", "discord.com/api/webhooks/", PATH, 40),
    any("discord-webhook", "discordapp.com/api/webhooks/", PATH, 40),
    any("teams-webhook", "webhook.office.com/webhookb2/", PATH, 40),
    mixed("stripe-key", "sk_live_", ALNUM, 10),
    mixed("stripe-key", "sk_test_", ALNUM, 10),
    mixed("stripe-key", "sk_prod_", ALNUM, 10),
    mixed("stripe-key", "rk_live_", ALNUM, 10),
    mixed("stripe-key", "rk_test_", ALNUM, 10),
    mixed("stripe-key", "rk_prod_", ALNUM, 10),
    mixed("stripe-webhook-secret", "whsec_", BASE64, 20),
    mixed("square-token", "sq0atp-", URL, 20),
    mixed("square-token", "sq0csp-", URL, 40),
    random("square-token", "EAAA", URL, 56),
    mixed("razorpay-key", "rzp_live_", ALNUM, 14),
    any("shopify-token", "shpat_", HEX, 32),
    any("shopify-token", "shpca_", HEX, 32),
    any("shopify-token", "shppa_", HEX, 32),
    any("shopify-token", "shpss_", HEX, 32),
    any("shippo-token", "shippo_live_", HEX, 40),
    any("shippo-token", "shippo_test_", HEX, 40),
    mixed("duffel-token", "duffel_live_", URL, 40),
    mixed("duffel-token", "duffel_test_", URL, 40),
    mixed("easypost-key", "EZAK", ALNUM, 54),
    mixed("easypost-key", "EZTK", ALNUM, 54),
    mixed("flutterwave-key", "FLWSECK-", URL, 20),
    mixed("flutterwave-key", "FLWSECK_TEST-", URL, 12),
    mixed("paypal-token", "access_token$production$", ALNUM.with("$"), 20),
    random("facebook-token", "EAAC", ALNUM, 100),
    random("facebook-token", "EAAM", ALNUM, 100),
    mixed("sendgrid-key", "SG.", URL_DOTS, 40),
    mixed("brevo-key", "xkeysib-", URL, 64),
    rule("twilio-key", "SK", HEX, 32, 32, Need::Any),
    // Tools.
    mixed("linear-key", "lin_api_", ALNUM, 32),
    mixed("linear-key", "lin_oauth_", ALNUM, 32),
    random("notion-token", "secret_", ALNUM, 43),
    mixed("notion-token", "ntn_", ALNUM, 40),
    mixed("grafana-token", "glsa_", WORD, 32),
    mixed("grafana-token", "glc_", BASE64, 32),
    mixed("grafana-token", "eyJrIjoi", BASE64, 60),
    mixed("sentry-token", "sntrys_", BASE64.with("_"), 40),
    any("sentry-token", "sntryu_", HEX, 40),
    mixed("newrelic-key", "NRAK-", ALNUM, 27),
    mixed("dynatrace-token", "dt0c01.", URL_DOTS, 40),
    mixed("readme-key", "rdme_", ALNUM, 60),
    mixed("contentful-token", "CFPAT-", URL, 40),
    mixed("prefect-key", "pnu_", ALNUM, 36),
    random("adafruit-key", "aio_", ALNUM, 28),
    mixed("onepassword-token", "ops_eyJ", BASE64, 100),
    // The base64 of `-----BEGIN … PRIVATE KEY-----`, as in a kubeconfig.
    any("private-key", "LS0tLS1CRUdJTiBQUklWQVRF", BASE64, 24),
    any("private-key", "LS0tLS1CRUdJTiBSU0EgUFJJ", BASE64, 24),
    any("private-key", "LS0tLS1CRUdJTiBFQyBQUklW", BASE64, 24),
    any("private-key", "LS0tLS1CRUdJTiBEU0EgUFJJ", BASE64, 24),
    any("private-key", "LS0tLS1CRUdJTiBPUEVOU1NI", BASE64, 24),
    any("private-key", "LS0tLS1CRUdJTiBFTkNSWVBU", BASE64, 24),
    any("age-key", "AGE-SECRET-KEY-1", UPPER, 40),
];
